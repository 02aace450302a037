const pattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Whether the database takes it for a uuid. Anything else names nothing, and is not even asked for. */
export function isUuid(text: string): boolean {
  return pattern.test(text);
}
