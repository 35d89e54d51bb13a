// @apollo/gateway under @apollo/server, as examples/gateways/apollo-gateway/gateway.js sets it up.

import { flows } from "./support/flows.js";

flows("@apollo/gateway", {
  recipe: "apollo-gateway/gateway.js",
  composition: "@apollo/composition",
  command: (file) => [file],
});
