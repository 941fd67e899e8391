import { randomUUID } from "node:crypto";

const core = "urn:ietf:params:scim:schemas:core:2.0";
const messages = "urn:ietf:params:scim:api:messages:2.0";

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it freely
  readonly body: any;
}

/** An identity provider: pushes people and groups, each call as the providers send it. */
export interface ScimClient {
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Gives the id. */
  hire(email: string, more?: object): Promise<string>;
  /** Several at once, through /Bulk; gives their ids. */
  hireAll(emails: readonly string[]): Promise<readonly string[]>;
  setActive(active: boolean, ...ids: readonly string[]): Promise<void>;
  dismiss(id: string): Promise<void>;
  group(displayName: string, memberIds?: readonly string[]): Promise<string>;
  join(groupId: string, ...userIds: string[]): Promise<void>;
  leave(groupId: string, userId: string): Promise<void>;
}

export const person = (email: string, more: object = {}): object => ({
  schemas: [`${core}:User`],
  userName: email,
  externalId: `x-${email}`,
  displayName: email.split("@")[0],
  active: true,
  emails: [{ value: email, type: "work", primary: true }],
  ...more,
});

const patch = (...operations: object[]): object => ({ schemas: [`${messages}:PatchOp`], Operations: operations });

/** @param scimUrl with /scim/v2 */
export function scimClient(scimUrl: string, token: string): ScimClient {
  const call = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(scimUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { "content-type": "application/scim+json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === "" ? null : JSON.parse(text) };
  };
  const expecting = async (status: number, ...args: Parameters<typeof call>): Promise<Answer["body"]> => {
    const answer = await call(...args);
    if (answer.status !== status)
      throw new Error(`${args[0]} ${args[1]} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const bulk = async (
    operations: readonly object[],
  ): Promise<readonly { readonly status: string; readonly location: string }[]> => {
    const { Operations } = await expecting(200, "POST", "/Bulk", {
      schemas: [`${messages}:BulkRequest`],
      Operations: operations,
    });
    const refused = Operations.filter((operation: { status: string }) => !operation.status.startsWith("2"));
    if (refused.length > 0) throw new Error(`bulk: ${JSON.stringify(refused[0])}`);
    return Operations;
  };
  return {
    call,
    hire: async (email, more) => (await expecting(201, "POST", "/Users", person(email, more))).id,
    hireAll: async (emails) =>
      (
        await bulk(
          emails.map((email) => ({ method: "POST", path: "/Users", bulkId: randomUUID(), data: person(email) })),
        )
      ).map(({ location }) => location.split("/").at(-1) ?? ""),
    setActive: async (active, ...ids) => {
      const change = patch({ op: "replace", path: "active", value: active });
      if (ids.length === 1) await expecting(200, "PATCH", `/Users/${ids[0]}`, change);
      else await bulk(ids.map((id) => ({ method: "PATCH", path: `/Users/${id}`, data: change })));
    },
    dismiss: (id) => expecting(204, "DELETE", `/Users/${id}`),
    group: async (displayName, memberIds = []) =>
      (
        await expecting(201, "POST", "/Groups", {
          schemas: [`${core}:Group`],
          displayName,
          members: memberIds.map((value) => ({ value })),
        })
      ).id,
    join: (id, ...userIds) =>
      expecting(
        204,
        "PATCH",
        `/Groups/${id}`,
        patch({ op: "add", path: "members", value: userIds.map((value) => ({ value })) }),
      ),
    leave: (id, userId) =>
      expecting(204, "PATCH", `/Groups/${id}`, patch({ op: "remove", path: `members[value eq "${userId}"]` })),
  };
}
