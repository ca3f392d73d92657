/**
 * node:http and node:https, not by import statements: among the names that those bind are WebSocket and its events, and
 * binding them makes Node load its whole WHATWG client; and TLS costs plain HTTP's start as much again.
 */
export const { createServer, request } = process.getBuiltinModule('node:http');

/** Loaded when it is first asked for. */
export function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}
