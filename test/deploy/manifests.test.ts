import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";

const run = promisify(execFile);
const folder = new URL("../../docs/deploy/", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, folder), "utf8");

/** The linter, where this machine has it: each is in a package of Debian's. */
const found = (name: string): string | null =>
  (process.env["PATH"] ?? "")
    .split(":")
    .map((path) => join(path, name))
    .find(existsSync) ?? null;
const kubectl = found("kubectl");
const systemdAnalyze = found("systemd-analyze");

/** One process for one database: all that could make a second one is looked for here. */
const restricted = z.strictObject({
  allowPrivilegeEscalation: z.literal(false),
  readOnlyRootFilesystem: z.literal(true),
  capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
});
const quantity = z.string().regex(/^\d+(m|Mi|Gi)?$/);
const probe = (path: string) =>
  z.strictObject({
    httpGet: z.strictObject({ path: z.literal(path), port: z.literal("scim") }),
    periodSeconds: z.int(),
    timeoutSeconds: z.int().optional(),
    failureThreshold: z.int().optional(),
  });
/** The fields of the core/v1 API that are used, misspelt ones refused (kubernetes.io/docs/reference, v1.32). */
const podSpec = z.strictObject({
  serviceAccountName: z.string().optional(),
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.literal(false),
  restartPolicy: z.literal("Never").optional(),
  // More than the 10 s within which the process ends.
  terminationGracePeriodSeconds: z.int().min(11),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.literal(10001),
    runAsGroup: z.literal(10001),
    fsGroup: z.literal(10001),
    fsGroupChangePolicy: z.literal("OnRootMismatch"),
    seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
  }),
  containers: z
    .array(
      z.strictObject({
        name: z.literal("rollcall"),
        image: z.string(),
        args: z.array(z.string()),
        ports: z.array(z.strictObject({ name: z.string().max(15), containerPort: z.int() })).optional(),
        securityContext: restricted,
        startupProbe: probe("/healthz").optional(),
        livenessProbe: probe("/healthz").optional(),
        readinessProbe: probe("/readyz").optional(),
        resources: z.strictObject({
          requests: z.strictObject({ cpu: quantity, memory: quantity }),
          limits: z.strictObject({ memory: quantity }),
        }),
        volumeMounts: z.array(
          z.strictObject({
            name: z.string(),
            mountPath: z.string().startsWith("/"),
            readOnly: z.literal(true).optional(),
          }),
        ),
      }),
    )
    .length(1),
  volumes: z.array(
    z.union([
      z.strictObject({ name: z.string(), configMap: z.strictObject({ name: z.string() }) }),
      z.strictObject({
        name: z.string(),
        secret: z.strictObject({ secretName: z.string(), defaultMode: z.union([z.literal(0o440), z.literal(440)]) }),
      }),
      z.strictObject({ name: z.string(), persistentVolumeClaim: z.strictObject({ claimName: z.string() }) }),
      z.strictObject({
        name: z.string(),
        emptyDir: z.strictObject({ medium: z.literal("Memory"), sizeLimit: quantity }),
      }),
    ]),
  ),
});

type Manifest = Readonly<Record<string, unknown>> & {
  readonly kind: string;
  readonly metadata: { readonly name: string };
};

/** What lies in the folder; octal numbers as Kubernetes' YAML 1.1 reads them. */
function manifestsIn(name: string): readonly Manifest[] {
  return readdirSync(new URL(`${name}/`, folder))
    .filter((file) => file !== "kustomization.yaml" && file !== "rollcall.yaml")
    .flatMap((file) =>
      parseAllDocuments(read(`${name}/${file}`), { version: "1.1" }).map((document) => {
        expect(document.errors).toEqual([]);
        return document.toJS() as Manifest;
      }),
    );
}
// biome-ignore lint/suspicious/noExplicitAny: assertions look into manifests of every kind
const one = (manifests: readonly Manifest[], kind: string): any => {
  const [first, ...rest] = manifests.filter((manifest) => manifest.kind === kind);
  expect(rest).toEqual([]);
  return first;
};

describe("Kubernetes manifests", () => {
  const server = manifestsIn("kubernetes");
  const cron = manifestsIn("kubernetes-cronjob");

  it("keep to one process on one volume", () => {
    const { spec } = one(server, "Deployment");
    expect(spec).toMatchObject({ replicas: 1, strategy: { type: "Recreate" } });
    expect(one(cron, "CronJob").spec).toMatchObject({
      concurrencyPolicy: "Forbid",
      jobTemplate: { spec: { backoffLimit: 0 } },
    });
    for (const manifests of [server, cron])
      expect(one(manifests, "PersistentVolumeClaim").spec.accessModes).toEqual(["ReadWriteOncePod"]);
    expect(cron.map(({ kind }) => kind)).not.toContain("Deployment");
  });

  it.each([
    ["Deployment", () => one(server, "Deployment").spec.template.spec],
    ["CronJob", () => one(cron, "CronJob").spec.jobTemplate.spec.template.spec],
  ] as const)("%s: fields that exist, no rights, mounts that have volumes", (_kind, specOf) => {
    const spec = podSpec.parse(specOf());
    const volumes = spec.volumes.map(({ name }) => name).sort();
    expect(spec.containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name)).sort()).toEqual(volumes);
    const mounts = spec.containers[0]?.volumeMounts ?? [];
    expect(mounts.filter(({ readOnly }) => !readOnly).map(({ mountPath }) => mountPath)).toEqual(["/data", "/tmp"]);
  });

  it("use matching names of ports, claims and probes", () => {
    const pod = podSpec.parse(one(server, "Deployment").spec.template.spec);
    const ports = pod.containers.flatMap(({ ports: list = [] }) => list.map(({ name }) => name));
    const services = server.filter(({ kind }) => kind === "Service") as unknown as {
      readonly spec: { readonly ports: { readonly targetPort: string }[] };
    }[];
    expect(services.flatMap(({ spec }) => spec.ports.map(({ targetPort }) => targetPort)).sort()).toEqual(
      [...ports].sort(),
    );
    expect(JSON.stringify(pod.volumes)).toContain(
      `"claimName":"${one(server, "PersistentVolumeClaim").metadata.name}"`,
    );
    const policy = one(server, "NetworkPolicy").spec;
    expect(policy.policyTypes).toEqual(["Ingress", "Egress"]);
    for (const { ports: allowed } of policy.ingress) for (const { port } of allowed) expect(ports).toContain(port);
  });

  it.each([
    ["kubernetes", server],
    ["kubernetes-cronjob", cron],
  ] as const)("%s: the configuration finds its secrets where they are mounted", (name, _manifests) => {
    const files = [...read(`${name}/rollcall.yaml`).matchAll(/file:(\S+?)[\s}]/g)].map(([, path]) => path ?? "");
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(file).toMatch(/^\/run\/secrets\/rollcall\//);
    const example = one(server, "Secret").stringData;
    if (name === "kubernetes")
      expect(Object.keys(example).sort()).toEqual(files.map((file) => file.split("/").at(-1)).sort());
    const { resources } = parse(read(`${name}/kustomization.yaml`)) as { readonly resources: readonly string[] };
    expect(resources).not.toContain("secret.example.yaml");
    for (const resource of resources) expect(existsSync(new URL(`${name}/${resource}`, folder))).toBe(true);
  });

  it.skipIf(kubectl === null).each(["kubernetes", "kubernetes-cronjob"])(
    "kubectl kustomize builds %s",
    async (name) => {
      const { stdout } = await run(kubectl ?? "", ["kustomize", new URL(name, folder).pathname]);
      const made = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
      expect(made.every(({ metadata }) => "namespace" in metadata)).toBe(true);
      const config = made.find(({ kind }) => kind === "ConfigMap")?.metadata.name ?? "";
      expect(config).toMatch(/^rollcall-\w{10}$/);
      expect(JSON.stringify(made)).toContain(`"configMap":{"name":"${config}"}`);
      expect(stdout).toContain("image: registry.example.com/rollcall:0.1.0");
    },
  );
});

describe("compose.yaml", () => {
  const service = z.strictObject({
    build: z.strictObject({ context: z.literal("../..") }),
    image: z.string(),
    restart: z.literal("unless-stopped"),
    init: z.literal(true),
    read_only: z.literal(true),
    user: z.literal("10001:10001"),
    cap_drop: z.tuple([z.literal("ALL")]),
    security_opt: z.tuple([z.literal("no-new-privileges:true")]),
    pids_limit: z.int(),
    mem_limit: z.string(),
    tmpfs: z.array(z.string().startsWith("/tmp:")),
    stop_grace_period: z.string(),
    ports: z.array(z.string().regex(/^127\.0\.0\.1:(\d+):\1$/, "loopback only: a proxy ends TLS")),
    volumes: z.array(z.string()),
    secrets: z.array(z.strictObject({ source: z.string(), target: z.string() })),
    logging: z.object({ driver: z.string() }),
  });

  it("has only keys of the Compose specification, drops all rights, and mounts all files of the configuration", () => {
    const compose = z
      .strictObject({
        name: z.string(),
        services: z.strictObject({ rollcall: service }),
        volumes: z.strictObject({ data: z.strictObject({}) }),
        secrets: z.record(z.string(), z.strictObject({ file: z.string().startsWith("./secrets/") })),
      })
      .parse(parse(read("compose.yaml")));
    const { rollcall } = compose.services;
    expect(rollcall.secrets.map(({ source }) => source).sort()).toEqual(Object.keys(compose.secrets).sort());
    const named = [...read("rollcall.yaml").matchAll(/file:\/run\/secrets\/(\S+?)[\s}]/g)].map(([, path]) => path);
    expect(rollcall.secrets.map(({ target }) => target).sort()).toEqual(named.sort());
    expect(rollcall.volumes).toContain("data:/data");
  });
});

describe("systemd units", () => {
  const units = readdirSync(new URL("systemd/", folder)).filter((name) => /\.(service|timer)$/.test(name));

  it("pass secrets as credentials, and give the process enough time to stop", () => {
    const unit = read("systemd/rollcall.service");
    expect(unit).toMatch(/^LoadCredential=bitwarden:\/etc\/rollcall\/secrets\/bitwarden$/m);
    expect(unit).not.toMatch(/^Environment=.*(TOKEN|SECRET|PASSWORD)/m);
    expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1])).toBeGreaterThan(10);
    for (const name of units.filter((each) => each.endsWith(".service"))) {
      for (const line of ["User=rollcall", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=rollcall"])
        expect(read(`systemd/${name}`)).toMatch(new RegExp(`^${line}$`, "m"));
      // As in the image.
      expect(read(`systemd/${name}`)).toMatch(/^Environment=NODE_OPTIONS=--max-semi-space-size=4$/m);
    }
    expect(read("systemd/rollcall-sync.service")).toMatch(/^Conflicts=rollcall\.service$/m);
    expect(read("systemd/rollcall.sysusers.conf")).toMatch(/^u rollcall - ".+" \/var\/lib\/rollcall$/m);
  });

  it.skipIf(systemdAnalyze === null)("pass systemd-analyze verify with a low exposure", async () => {
    const copies = await mkdtemp(join(tmpdir(), "rollcall-units-"));
    try {
      // The command must exist on the machine that verifies.
      for (const name of units)
        await writeFile(join(copies, name), read(`systemd/${name}`).replaceAll("/usr/local/bin/rollcall", "/bin/true"));
      const paths = units.map((name) => join(copies, name));
      const { stdout, stderr } = await run(systemdAnalyze ?? "", ["verify", "--man=no", ...paths]);
      expect(stdout + stderr).toBe("");
      for (const path of paths.filter((each) => each.endsWith(".service")))
        await run(systemdAnalyze ?? "", ["security", "--offline=yes", "--threshold=20", "--no-pager", path]);
    } finally {
      await rm(copies, { recursive: true, force: true });
    }
  });
});
