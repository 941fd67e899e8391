/** A limit on what runs at the same time. */
export interface Slots {
  /** Returns false without a call of `work` if all slots are taken. */
  run(work: () => Promise<void>): Promise<boolean>;
}

export function createSlots(max: number): Slots {
  let taken = 0;
  return {
    async run(work) {
      if (taken >= max) return false;
      taken += 1;
      try {
        await work();
        return true;
      } finally {
        taken -= 1;
      }
    },
  };
}
