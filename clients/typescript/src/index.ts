export { actionOf, type Action, type SessionError } from "./errors.js";
export { ClientSession, type Change, type Credential, type Ending, type SessionOptions } from "./session.js";
export { localStorageTokens, memoryTokens, type Tokens, type TokenStore } from "./tokens.js";
