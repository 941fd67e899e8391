/** True if all kills and all fault types run, as in `.ci/run`. `npm test` runs a sample of them. */
export const isFull = process.env["ROLLCALL_MATRIX"] === "full";
