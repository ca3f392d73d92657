/**
 * Loads node:http and node:https without import statements. Those bind all names of a module, WebSocket among them, and
 * that makes Node load its whole WHATWG client; TLS costs a start of plain HTTP as much again. Remove when a start is
 * no slower with import statements: `npm run bench -- --only iris` tells the time from start to ready.
 */
export const { createServer, request } = process.getBuiltinModule('node:http');

/** Returns node:https, which Node loads when this is first called. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}
