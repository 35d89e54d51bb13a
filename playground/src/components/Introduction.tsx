export function Introduction() {
  return (
    <section className="introduction" aria-labelledby="introduction-title">
      <h2 id="introduction-title">See a session live</h2>
      <p>
        Sign up, and you hold a <strong>session</strong>: a short-lived <strong>access token</strong> that proves who you are for a few
        minutes, and a <strong>refresh token</strong> that fetches the next pair.
      </p>
      <ol>
        <li>
          <strong>Rotation.</strong> Each refresh spends the token and returns its successor. Watch the generation count up.
        </li>
        <li>
          <strong>Theft detection.</strong> A spent token that turns up again gives a thief away, and the session ends. Try it under “What
          if”.
        </li>
        <li>
          <strong>Control.</strong> Open several sessions, end some, and watch the events arrive as it happens.
        </li>
      </ol>
    </section>
  );
}
