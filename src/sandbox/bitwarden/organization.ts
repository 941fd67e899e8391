import { z } from "zod";
import { type BitwardenRoutes, listOf } from "./members.ts";
import { eventType, type Policy } from "./model.ts";
import {
  badRequest,
  integer,
  invalidModel,
  model,
  pathEntity,
  readBody,
  requiredValue,
  unhandled,
} from "./requests.ts";
import type { BitwardenState } from "./state.ts";

const policyModel = model({
  enabled: requiredValue(z.boolean("System.Boolean").optional()).transform((value) => value ?? false),
  data: z.unknown().optional(),
});
const seatsModel = model({ seats: integer, maxAutoScaleSeats: integer });
const subscriptionModel = model({ passwordManager: seatsModel.nullish() });

const eventPageSize = 50;
const dayMs = 86_400_000;

/** Policies, events and subscription, which clients other than Rollcall read. */
export const organizationRoutes: BitwardenRoutes = {
  "GET /api/public/policies": (state) => listOf(state, state.policies.values().map(shownPolicy)),

  "GET /api/public/policies/{type}": (state, _, type) => shownPolicy(pathEntity(state.policies, policyType(type))),

  "PUT /api/public/policies/{type}": (state, request, text) => {
    const type = policyType(text);
    const { enabled, data = null } = readBody(request, policyModel);
    const policy: Policy = { id: state.policies.get(type)?.id ?? state.newId(), type, enabled, data };
    state.policies.set(type, policy);
    state.recordEvent(eventType.policyUpdated, { policyId: policy.id });
    return shownPolicy(policy);
  },

  // The only paged list (src/Api/Dirt/Public/Controllers/EventsController.cs): newest first, the last 30 days by
  // default. Filters that the controller does not know, such as memberId, change nothing.
  "GET /api/public/events": (state, { query }) => {
    const [startMs, endMs] = eventRange(state, query);
    // No event here has such an id, so each of these filters leaves nothing.
    const isFilteredOut = ["actingUserId", "itemId", "secretId", "projectId"].some((name) => query.get(name));
    const found = state.events.filter(({ atMs }) => !isFilteredOut && atMs >= startMs && atMs <= endMs).reverse();
    const offset = readToken(query.get("continuationToken") ?? "");
    const next = offset + eventPageSize;
    const continuationToken = next < found.length ? Buffer.from(`e${next}`).toString("base64url") : null;
    const data = found.slice(offset, next).map(({ atMs, ...event }) => ({
      ...emptyEvent,
      ...event,
      date: new Date(atMs).toISOString(),
    }));
    return { object: "list", data, continuationToken };
  },

  "GET /api/public/organization/subscription": (state) => {
    refuseSelfHosted(state);
    const { seats, maxAutoscaleSeats } = state.settings;
    return {
      passwordManager: { seats, maxAutoScaleSeats: maxAutoscaleSeats, storage: null },
      secretsManager: {
        seats: null,
        maxAutoScaleSeats: null,
        serviceAccounts: null,
        maxAutoScaleServiceAccounts: null,
      },
    };
  },

  "PUT /api/public/organization/subscription": (state, request) => {
    refuseSelfHosted(state);
    const { passwordManager } = readBody(request, subscriptionModel);
    state.settings.seats = passwordManager?.seats ?? state.settings.seats;
    state.settings.maxAutoscaleSeats = passwordManager?.maxAutoScaleSeats ?? state.settings.maxAutoscaleSeats;
    return { message: "Subscription updated successfully." };
  },
};

function shownPolicy(policy: Policy) {
  return { object: "policy", ...policy };
}

function policyType(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw invalidModel({ type: [`The value '${text}' is not valid.`] });
  return Number(text);
}

function eventRange(state: BitwardenState, query: URLSearchParams): readonly [number, number] {
  const start = readDate(query, "start");
  const end = readDate(query, "end");
  if (start === undefined || end === undefined) return [state.now() - 30 * dayMs, state.now() + dayMs];
  if (Math.abs(end - start) > 367 * dayMs) throw badRequest("Date range must be < 367 days.");
  return [Math.min(start, end), Math.max(start, end)];
}

function readDate(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? "";
  if (text === "") return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw invalidModel({ [name]: [`The value '${text}' is not valid for ${name}.`] });
  return ms;
}

function readToken(token: string): number {
  if (token === "") return 0;
  const text = Buffer.from(token, "base64url").toString();
  if (!/^e\d+$/.test(text)) throw unhandled();
  return Number(text.slice(1));
}

const emptyEvent = {
  object: "event",
  itemId: null,
  collectionId: null,
  groupId: null,
  policyId: null,
  memberId: null,
  actingUserId: null,
  installationId: null,
  device: null,
  ipAddress: null,
  secretId: null,
  projectId: null,
  serviceAccountId: null,
};

// src/Api/Billing/Public/Controllers/OrganizationController.cs, [SelfHosted(NotSelfHostedOnly = true)].
function refuseSelfHosted(state: BitwardenState): void {
  if (state.settings.selfHosted) throw badRequest("Only allowed when not self hosted.");
}
