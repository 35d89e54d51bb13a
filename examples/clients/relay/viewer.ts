import { fetchQuery, graphql, type Environment } from "relay-runtime";

import type { viewerQuery } from "./__generated__/viewerQuery.graphql";

export const viewer = (environment: Environment) =>
  fetchQuery<viewerQuery>(
    environment,
    graphql`
      query viewerQuery {
        viewer { id username }
      }
    `,
    {},
  ).toPromise();
