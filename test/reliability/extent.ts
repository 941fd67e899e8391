/**
 * How much of the matrices a run does. `npm test` does a part, in a minute; `ROLLCALL_MATRIX=full` does
 * 200 kills and every kind of trouble on a whole day.
 */
export const isFull = process.env["ROLLCALL_MATRIX"] === "full";
