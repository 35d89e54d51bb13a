// A GraphQL client that hides nothing: status, headers and cookies of an answer are part of it.

import assert from "node:assert/strict";
import { request } from "node:http";
import { json } from "node:stream/consumers";

export const ORIGIN = "https://app.example.test";
export const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

export class Client {
  constructor(url) {
    this.url = url;
  }

  /** Sends a document. A header that is undefined is not sent. */
  async send(query, { variables, token, headers = {}, extensions } = {}) {
    const all = {
      "content-type": "application/json",
      accept: "application/json",
      "user-agent": USER_AGENT,
      authorization: token && `Bearer ${token}`,
      ...headers,
    };
    const response = await fetch(this.url, {
      method: "POST",
      headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
      body: JSON.stringify({ query, variables, extensions }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      throw new Error(`${response.status}, and no JSON: ${text}`);
    }
    return { status: response.status, headers: response.headers, cookies: response.headers.getSetCookie(), ...body };
  }

  /** The data of an answer that has no errors. */
  async data(query, options) {
    const answer = await this.send(query, options);
    assert.deepEqual(answer.errors, undefined, query);
    assert.equal(answer.status, 200);
    return answer.data;
  }

  /** Sends a document from another address of this machine's. */
  async sendFrom(localAddress, { query, variables, headers }) {
    const body = JSON.stringify({ query, variables });
    const all = { "content-type": "application/json", "user-agent": USER_AGENT, ...headers };
    const response = await new Promise((resolve, reject) =>
      request(this.url, { method: "POST", localAddress, headers: all }, resolve).once("error", reject).end(body),
    );
    return json(response);
  }

  async signUp(username) {
    const { signUp } = await this.data(
      `mutation ($input: SignUpInput!) {
        signUp(input: $input) { account { id username } session { id } tokens { accessToken refreshToken } }
      }`,
      { variables: { input: { username, password: PASSWORD } } },
    );
    return { ...signUp.account, session: signUp.session.id, ...signUp.tokens };
  }

  async signIn(identifier) {
    const { signIn } = await this.data(
      `mutation ($input: SignInInput!) {
        signIn(input: $input) { session { id } tokens { accessToken refreshToken } }
      }`,
      { variables: { input: { identifier, password: PASSWORD } } },
    );
    return { session: signIn.session.id, ...signIn.tokens };
  }

  /** Exchanges a refresh token; with `token` there is an access token in the header too. */
  async refresh(refreshToken, options) {
    const { refreshTokens } = await this.data(
      `mutation ($input: RefreshTokensInput!) {
        refreshTokens(input: $input) { refreshOutcome tokens { accessToken refreshToken } }
      }`,
      { ...options, variables: { input: { refreshToken } } },
    );
    return { outcome: refreshTokens.refreshOutcome, ...refreshTokens.tokens };
  }
}

export const PASSWORD = "correct horse battery staple";

/** What the client is told to do. */
export function advice({ extensions: { code, reason, action } }) {
  return { code, reason, action };
}

/** The header or the payload of a token. */
export function decode(token, part) {
  return JSON.parse(Buffer.from(token.split(".")[part], "base64url").toString());
}

/** The cookies of an answer, by name, with their attributes in lower case. */
export function cookies(answer) {
  return Object.fromEntries(
    answer.cookies.map((cookie) => {
      const [pair, ...attributes] = cookie.split(";").map((text) => text.trim());
      const [name, value] = pair.split("=", 2);
      return [name, { value, attributes: attributes.map((text) => text.toLowerCase()) }];
    }),
  );
}

/** A Cookie header with the cookies of an answer, or some of them. */
export function cookieHeader(answer, only = () => true) {
  return Object.entries(cookies(answer))
    .filter(([name]) => only(name))
    .map(([name, { value }]) => `${name}=${value}`)
    .join("; ");
}
