import type { CodegenConfig } from "@graphql-codegen/cli";

const client = {
  preset: "client",
  presetConfig: { fragmentMasking: false },
  config: {
    documentMode: "string",
    useTypeImports: true,
    strictScalars: true,
    scalars: { DateTime: "string", JSON: "unknown", link__Import: "unknown", federation__FieldSet: "string" },
  },
} as const;

const config: CodegenConfig = {
  schema: "../schema.graphql",
  generates: {
    "src/generated/page/": { ...client, documents: "src/api/documents.graphql" },
    // The editor's menu: what is used of this are the types of the variables.
    "src/generated/menu/": { ...client, documents: "operations/*.graphql" },
  },
};

export default config;
