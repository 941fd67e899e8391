/** Returns the 4xx status that Express gives a body that is too large or malformed. Null: the request is not to blame. */
export function requestErrorStatus(error: unknown): number | null {
  const status = typeof error === "object" && error !== null && "status" in error ? error.status : null;
  return typeof status === "number" && status >= 400 && status < 500 ? status : null;
}
