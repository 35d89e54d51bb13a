import { ApolloLink } from "@apollo/client";
import { catchError, concatMap, defer, switchMap, type Observable } from "rxjs";

import { headersOf, type ClientSession } from "./session.js";

const REPEAT = Symbol("the operation is to be sent again");

/** Goes before the link that sends: gives every operation the session's tokens, and one more try when they have expired. */
export function sessionLink(session: ClientSession): ApolloLink {
  return new ApolloLink((operation, forward) => {
    const attempt = (isRepeated: boolean): Observable<ApolloLink.Result> =>
      defer(() => session.credential()).pipe(
        switchMap((sent) => {
          operation.setContext(({ headers }: { headers?: Record<string, string> }) => ({
            headers: { ...headers, ...headersOf(sent) },
            credentials: session.credentials,
          }));
          return forward(operation).pipe(
            concatMap(async (result) => {
              if (await session.recover(sent, result.errors, isRepeated)) {
                throw REPEAT;
              }
              return result;
            }),
          );
        }),
        catchError((error: unknown) => {
          if (error === REPEAT) {
            return attempt(true);
          }
          throw error;
        }),
      );
    return attempt(false);
  });
}
