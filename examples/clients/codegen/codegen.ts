import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: "*.ts",
  ignoreNoDocuments: true,
  generates: {
    "generated/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: "string",
        useTypeImports: true,
        strictScalars: true,
        scalars: { DateTime: "string", JSON: "unknown", federation__FieldSet: "string", link__Import: "unknown" },
      },
    },
  },
};

export default config;
