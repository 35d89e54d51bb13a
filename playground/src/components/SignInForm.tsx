import { type FormEvent, useEffect, useId, useState } from "react";

import type { TokenTransport } from "../generated/page/graphql";
import { signIn, signUp } from "../state/actions";
import { rememberPassword } from "../state/passwords";
import { useTask } from "./useTask";

type Mode = "up" | "in";

/** A name that is likely free, so that the first click works. */
function suggestion(): string {
  const names = ["ada", "grace", "alan", "edsger", "barbara", "donald", "radia", "tony"];
  const name = names[Math.floor(Math.random() * names.length)] ?? "ada";
  return `${name}_${Math.floor(1000 + Math.random() * 9000)}`;
}

const PASSWORD = "correct horse battery staple";

export function SignInForm({ isFirst }: { isFirst: boolean }) {
  const [mode, setMode] = useState<Mode | null>(isFirst ? "up" : null);
  useEffect(() => setMode((now) => (isFirst ? (now ?? "up") : null)), [isFirst]);
  if (mode === null) {
    return (
      <div className="toolbar" role="group" aria-label="More accounts and sessions">
        <button type="button" className="button" onClick={() => setMode("up")}>
          Sign up another account
        </button>
        <button type="button" className="button" onClick={() => setMode("in")}>
          Sign in
        </button>
      </div>
    );
  }
  return <Form key={mode} mode={mode} setMode={setMode} close={isFirst ? null : () => setMode(null)} />;
}

function Form({ mode, setMode, close }: { mode: Mode; setMode: (mode: Mode) => void; close: (() => void) | null }) {
  const [name, setName] = useState(mode === "up" ? suggestion : "");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState(mode === "up" ? PASSWORD : "");
  const [transport, setTransport] = useState<TokenTransport>("BODY");
  const { running, failure, run } = useTask();
  const failureId = useId();
  const isUp = mode === "up";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void run(async () => {
      const login = isUp ? await signUp({ username: name, email, password, transport }) : await signIn(name, password, transport);
      rememberPassword(login.session.account.id, password);
      close?.();
    });
  };
  return (
    <form className="panel sign-in" onSubmit={submit} aria-describedby={failure ? failureId : undefined}>
      <div className="sign-in-head">
        <fieldset className="segments">
          <legend className="visually-hidden">What to do</legend>
          <Choice name="mode" value="up" now={mode} choose={setMode} label="Sign up" />
          <Choice name="mode" value="in" now={mode} choose={setMode} label="Sign in" />
        </fieldset>
        {close && (
          <button type="button" className="button quiet" onClick={close}>
            Cancel
          </button>
        )}
      </div>
      <div className="fields">
        <label className="field">
          <span>{isUp ? "User name" : "User name or e-mail"}</span>
          <input
            value={name}
            onChange={(event) => setName(event.target.value)}
            required={!isUp || !email}
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
          />
        </label>
        {isUp && (
          <label className="field">
            <span>
              E-mail <small>optional</small>
            </span>
            <input type="email" value={email} onChange={(event) => setEmail(event.target.value)} autoComplete="email" />
          </label>
        )}
        <label className="field">
          <span>Password</span>
          <input
            type="password"
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            required
            autoComplete={isUp ? "new-password" : "current-password"}
          />
        </label>
      </div>
      <fieldset className="choices">
        <legend>Where the tokens go</legend>
        <label>
          <input type="radio" name="transport" checked={transport === "BODY"} onChange={() => setTransport("BODY")} />
          <span>
            <strong>Into the answer</strong>
            <small>The page holds them, and you can look at them.</small>
          </span>
        </label>
        <label>
          <input type="radio" name="transport" checked={transport === "COOKIE"} onChange={() => setTransport("COOKIE")} />
          <span>
            <strong>Into cookies</strong>
            <small>HttpOnly: no script can read them. One such session in a browser.</small>
          </span>
        </label>
      </fieldset>
      <div className="submit">
        <button type="submit" className="button primary" disabled={running}>
          {running ? "One moment…" : isUp ? "Sign up" : "Sign in"}
        </button>
        {isUp && password === PASSWORD && <small className="hint">Name and password are filled in: just press the button.</small>}
      </div>
      {failure && (
        <p className="failure" role="alert" id={failureId}>
          {failure}
          {failure.includes("transport") || /cookie/i.test(failure)
            ? ` Cookies count on the server's own origin only: is ${window.location.origin} its public_url?`
            : ""}
        </p>
      )}
    </form>
  );
}

function Choice<Value extends string>(props: { name: string; value: Value; now: Value; choose: (value: Value) => void; label: string }) {
  const { name, value, now, choose, label } = props;
  return (
    <label>
      <input type="radio" name={name} value={value} checked={now === value} onChange={() => choose(value)} />
      <span>{label}</span>
    </label>
  );
}
