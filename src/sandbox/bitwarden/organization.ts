import { empty, json, Refusal, type Reply, type SandboxRequest } from "../kit/http.ts";
import { type BitwardenRoute, listOf } from "./members.ts";
import { eventType, type OrganizationEvent, type Policy } from "./model.ts";
import { asObject, badRequest, ModelState, readBodyObject, readBoolean, readNumber, unhandled } from "./requests.ts";
import type { BitwardenState } from "./state.ts";

/** Policies, events and subscription, which clients other than Rollcall read. */
export const organizationRoutes: readonly BitwardenRoute[] = [
  {
    method: "GET",
    template: "/api/public/policies",
    handle: (state) => listOf(state, Array.from(state.policies.values(), policyModel)),
  },
  { method: "GET", template: "/api/public/policies/{type}", handle: getPolicy },
  { method: "PUT", template: "/api/public/policies/{type}", handle: putPolicy },
  { method: "GET", template: "/api/public/events", handle: listEvents },
  { method: "GET", template: "/api/public/organization/subscription", handle: getSubscription },
  { method: "PUT", template: "/api/public/organization/subscription", handle: putSubscription },
];

const eventPageSize = 50;
const dayMs = 86_400_000;

function policyModel(policy: Policy): Record<string, unknown> {
  return { object: "policy", id: policy.id, type: policy.type, enabled: policy.enabled, data: policy.data };
}

function getPolicy(state: BitwardenState, _: SandboxRequest, type: string): Reply {
  const policy = state.policies.get(policyType(type));
  if (policy === undefined) throw new Refusal(empty(404));
  return json(200, policyModel(policy));
}

function putPolicy(state: BitwardenState, request: SandboxRequest, type: string): Reply {
  const number = policyType(type);
  const fields = readBodyObject(request);
  const enabled = readBoolean(fields, "enabled");
  const modelState = new ModelState();
  if (enabled === undefined) modelState.add("Enabled", "The Enabled field is required.");
  modelState.check();
  const data = fields.get("data");
  const policy = state.putPolicy(
    number,
    enabled ?? false,
    data === undefined || data === null ? null : (data as Record<string, unknown>),
  );
  state.recordEvent(eventType.policyUpdated, { policyId: policy.id });
  return json(200, policyModel(policy));
}

function policyType(text: string): number {
  if (!/^\d{1,3}$/.test(text)) {
    throw badRequest("The request's model state is invalid.", { type: [`The value '${text}' is not valid.`] });
  }
  return Number(text);
}

/**
 * The only paged list (src/Api/Dirt/Public/Controllers/EventsController.cs): newest first, the last 30 days by
 * default. Filters that the controller does not know, such as memberId, change nothing.
 */
function listEvents(state: BitwardenState, request: SandboxRequest): Reply {
  const { startMs, endMs } = eventRange(state, request);
  // No event here has such an id, so each of these filters leaves nothing.
  const isFilteredOut = ["actingUserId", "itemId", "secretId", "projectId"].some((name) => request.query.get(name));
  const found = isFilteredOut
    ? []
    : state.events.filter((event) => event.atMs >= startMs && event.atMs <= endMs).reverse();
  const offset = readToken(request.query.get("continuationToken"));
  const next = offset + eventPageSize;
  const continuationToken = next < found.length ? Buffer.from(`e${next}`).toString("base64url") : null;
  return json(200, { object: "list", data: found.slice(offset, next).map(eventModel), continuationToken });
}

function eventRange(state: BitwardenState, request: SandboxRequest): { startMs: number; endMs: number } {
  const start = readDate(request.query.get("start"), "start");
  const end = readDate(request.query.get("end"), "end");
  if (start === undefined || end === undefined)
    return { startMs: state.now() - 30 * dayMs, endMs: state.now() + dayMs };
  const [startMs, endMs] = start <= end ? [start, end] : [end, start];
  if (endMs - startMs > 367 * dayMs) throw badRequest("Date range must be < 367 days.");
  return { startMs, endMs };
}

function readDate(text: string | null, name: string): number | undefined {
  if (text === null || text === "") return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw badRequest("The request's model state is invalid.", {
      [name]: [`The value '${text}' is not valid for ${name}.`],
    });
  return ms;
}

function readToken(token: string | null): number {
  if (token === null || token === "") return 0;
  const text = Buffer.from(token, "base64url").toString();
  if (!/^e\d+$/.test(text)) throw unhandled();
  return Number(text.slice(1));
}

function eventModel(event: OrganizationEvent): Record<string, unknown> {
  return {
    object: "event",
    type: event.type,
    itemId: null,
    collectionId: event.collectionId,
    groupId: event.groupId,
    policyId: event.policyId,
    memberId: event.memberId,
    actingUserId: null,
    installationId: null,
    date: new Date(event.atMs).toISOString(),
    device: null,
    ipAddress: null,
    secretId: null,
    projectId: null,
    serviceAccountId: null,
  };
}

// src/Api/Billing/Public/Controllers/OrganizationController.cs, [SelfHosted(NotSelfHostedOnly = true)].
function refuseSelfHosted(state: BitwardenState): void {
  if (state.settings.selfHosted) throw badRequest("Only allowed when not self hosted.");
}

function getSubscription(state: BitwardenState): Reply {
  refuseSelfHosted(state);
  return json(200, {
    passwordManager: {
      seats: state.settings.seats,
      maxAutoScaleSeats: state.settings.maxAutoscaleSeats,
      storage: null,
    },
    secretsManager: { seats: null, maxAutoScaleSeats: null, serviceAccounts: null, maxAutoScaleServiceAccounts: null },
  });
}

function putSubscription(state: BitwardenState, request: SandboxRequest): Reply {
  refuseSelfHosted(state);
  const value = readBodyObject(request).get("passwordmanager");
  if (value !== undefined && value !== null) {
    const given = asObject(value, "$.passwordManager");
    const seats = readNumber(given, "seats", "$.passwordManager") ?? state.settings.seats;
    const maximum = readNumber(given, "maxAutoScaleSeats", "$.passwordManager") ?? state.settings.maxAutoscaleSeats;
    state.setSeats(seats, maximum);
  }
  return json(200, { message: "Subscription updated successfully." });
}
