import { stateOf } from "../../src/targets/onepassword/convert.ts";
import { onePasswordWorld } from "../targets/target-world.ts";
import { type TargetHarness, targetContract } from "./target-suite.ts";

const start = (settings: Parameters<typeof onePasswordWorld>[0]) => async (): Promise<TargetHarness> => {
  const world = await onePasswordWorld(settings);
  const { state, faults, requests, tokens } = world.sandbox;
  const noGroups = (): never => {
    throw new Error("1Password has no groups");
  };
  return {
    target: world.target,
    faults,
    requests,
    goneIds: ["AAAAAAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBB"],
    addPerson: (email, wanted) => state.addUser({ email, state: wanted === "active" ? "ACTIVE" : "SUSPENDED" }).id,
    stateOf: (email) => {
      const user = state.userByEmail(email);
      return user === undefined ? null : stateOf(user.state);
    },
    groupMembers: noGroups,
    addGroup: noGroups,
    expireTokens: () => tokens.revokeAll(),
    close: () => world[Symbol.asyncDispose](),
  };
};

const supports = { invite: false, remove: false, groups: false, externalIds: false };
targetContract("1password v1beta1", start({ layouts: ["v1beta1"] }), supports);
targetContract("1password v1", start({ layouts: ["v1"] }), supports);
