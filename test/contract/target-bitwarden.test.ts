import { memberStatus } from "../../src/sandbox/index.ts";
import { stateOf } from "../../src/targets/bitwarden/convert.ts";
import { bitwardenWorld } from "../targets/target-world.ts";
import { type TargetHarness, targetContract } from "./target-suite.ts";

const start = (settings: Parameters<typeof bitwardenWorld>[0]) => async (): Promise<TargetHarness> => {
  const world = await bitwardenWorld(settings);
  const { state, faults, requests, tokens } = world.sandbox;
  return {
    target: world.target,
    faults,
    requests,
    goneIds: ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"],
    addPerson: (email, wanted) =>
      state.addMember({ email, status: wanted === "active" ? memberStatus.confirmed : memberStatus.revoked }).id,
    stateOf: (email) => {
      const member = state.memberByEmail(email);
      return member === undefined ? null : stateOf(member.status);
    },
    groupMembers: (name) => state.membersOfGroup(name),
    addGroup: (name, emails) => {
      state.addGroup({ name });
      state.setMembership(name, emails);
    },
    expireTokens: () => tokens.revokeAll(),
    close: () => world[Symbol.asyncDispose](),
  };
};

const supports = { invite: true, remove: true, groups: true, externalIds: true };
targetContract("bitwarden cloud", start({ rateLimits: true }), supports);
targetContract(
  "bitwarden self-hosted",
  start({ selfHosted: true, entityFramework: true, listsCollections: false }),
  supports,
);
