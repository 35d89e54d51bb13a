// The passwords of accounts that this page has signed in, so that another session is one click away. In memory only.

const known = new Map<string, string>();

export function rememberPassword(accountId: string, password: string): void {
  known.set(accountId, password);
}

export function passwordOf(accountId: string): string | undefined {
  return known.get(accountId);
}
