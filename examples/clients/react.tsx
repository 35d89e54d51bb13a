import { gql } from "@apollo/client";
import { ApolloProvider, useQuery } from "@apollo/client/react";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

import { connect, signIn, signUp } from "./apollo";
import { cookieSession } from "./session";

const ENDPOINT = "http://localhost:4000/graphql";

const session = cookieSession(ENDPOINT, () => {});
const client = connect(session, ENDPOINT);

/** The page for whoever is there: a new one after every sign-in, in all tabs. */
function App() {
  const [visit, setVisit] = useState({ number: 0, isOver: false });
  useEffect(
    () =>
      session.listen(({ kind }) => {
        if (kind !== "REFRESHED") {
          setVisit(({ number }) => ({ number: number + 1, isOver: kind === "SIGNED_OUT" }));
        }
      }),
    [],
  );
  return visit.isOver ? <SignIn /> : <Home key={visit.number} />;
}

const VIEWER = gql`
  query Viewer {
    viewer { id username }
  }
`;

/** Asks who is signed in: nobody is null, and no error. */
function Home() {
  const { data, error } = useQuery<{ viewer: { username: string } | null }>(VIEWER, { fetchPolicy: "network-only" });
  if (error) {
    return <p role="alert">{error.message}</p>;
  }
  if (!data) {
    return <p>One moment …</p>;
  }
  if (!data.viewer) {
    return <SignIn />;
  }
  return (
    <p>
      Hello, {data.viewer.username}! <button onClick={() => void session.signOut()}>Sign out</button>
    </p>
  );
}

function SignIn() {
  const [problem, setProblem] = useState("");
  const enter = (isNew: boolean) => async (form: FormData) => {
    const [username, password] = [String(form.get("username")), String(form.get("password"))];
    try {
      await (isNew
        ? signUp(client, session, { username, password, transport: "COOKIE" })
        : signIn(client, session, { identifier: username, password, transport: "COOKIE" }));
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <form action={enter(false)}>
      <input name="username" placeholder="User name" autoComplete="username" required />
      <input name="password" placeholder="Password" type="password" autoComplete="current-password" required />
      <button>Sign in</button> <button formAction={enter(true)}>Sign up</button>
      <p role="alert">{problem}</p>
    </form>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <ApolloProvider client={client}>
    <App />
  </ApolloProvider>,
);
