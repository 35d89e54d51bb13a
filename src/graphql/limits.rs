//! Limits of documents: depth, complexity, aliases, directives, size.
//!
//! Counted before validation, with the variables at hand, and in time that grows with the document's size alone: each
//! fragment is weighed once, however often it is spread. (Validation itself takes time that is exponential in the number
//! of fragments that spread each other twice.)

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use async_graphql::{
    Name, Positioned, Request, ServerResult, Value, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest},
    parser::types::{
        ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
    },
    registry::{MetaTypeName, Registry},
};
use async_trait::async_trait;

use super::{
    document::{argument, look},
    document_size::DocumentSize,
    errors::request_error,
    subgraph::ENTITIES,
};
use crate::{
    error::{Error, ErrorKind},
    page,
};

/// Selection sets within each other, those of fragments included: beyond it nobody has to look, and no stack has to hold.
const MAX_NESTING: usize = 128;
/// Directives in a document.
const MAX_DIRECTIVES: u64 = 200;
/// Names and values in a document: far more than any client writes, and quickly validated.
const MAX_TOKENS: u64 = 15_000;
/// More are refused, whatever their complexity.
pub(super) const MAX_REPRESENTATIONS: u16 = 1_000;

/// What documents may be, at most.
#[derive(Debug, Clone, Copy)]
pub struct DocumentLimits {
    /// How deep fields may be nested.
    pub depth: usize,
    /// How many fields may be asked for. A field counts 1, and what is below a connection as often as its page is long.
    pub complexity: usize,
    /// How many aliases there may be.
    pub aliases: usize,
    /// Whether the schema may be read.
    pub introspection: bool,
}

impl ExtensionFactory for DocumentLimits {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(*self)
    }
}

#[async_trait]
impl Extension for DocumentLimits {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = next.run(ctx, request).await?;
        self.check_request(&ctx.schema_env.registry, &mut request)?;
        Ok(request)
    }
}

impl DocumentLimits {
    pub(super) fn check_request(
        &self,
        registry: &Registry,
        request: &mut Request,
    ) -> ServerResult<()> {
        let checked = look(request, |document, _, variables| {
            check_size(DocumentSize::of(document))?;
            // All operations, not only the one that runs: validation walks through each of them.
            document.operations.iter().try_for_each(|(_, operation)| {
                let mut scale = Scale {
                    registry,
                    document,
                    operation: &operation.node,
                    variables,
                    fragments: HashMap::new(),
                };
                self.check(scale.weigh_operation())
            })
        });
        // What cannot be read is for parsing and validation to refuse.
        checked.unwrap_or(Ok(())).map_err(request_error)
    }

    fn check(&self, weight: Weight) -> Result<(), Error> {
        if weight.introspects && !self.introspection {
            return Err(ErrorKind::GraphqlValidationFailed(
                "Introspection is switched off.".into(),
            )
            .into());
        }
        if weight.representations > u64::from(MAX_REPRESENTATIONS) {
            return Err(Error::bad_user_input(
                "representations",
                "are 1,000 at most",
            ));
        }
        within("depth", weight.depth, self.depth as u64)?;
        within("complexity", weight.complexity, self.complexity as u64)?;
        within("aliases", weight.aliases, self.aliases as u64)
    }
}

fn check_size(size: DocumentSize) -> Result<(), Error> {
    within("directives", size.directives, MAX_DIRECTIVES)?;
    within("tokens", size.tokens, MAX_TOKENS)
}

fn within(limit: &'static str, value: u64, allowed: u64) -> Result<(), Error> {
    if value > allowed {
        let too_complex = ErrorKind::QueryTooComplex {
            limit,
            value,
            allowed,
        };
        return Err(too_complex.into());
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weight {
    depth: u64,
    complexity: u64,
    aliases: u64,
    /// The most representations that one `_entities` asks for.
    representations: u64,
    /// Whether it reads the schema.
    introspects: bool,
}

impl Weight {
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            complexity: self.complexity.saturating_add(other.complexity),
            aliases: self.aliases.saturating_add(other.aliases),
            representations: self.representations.max(other.representations),
            introspects: self.introspects || other.introspects,
        }
    }
}

struct Scale<'a> {
    registry: &'a Registry,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// `None` while a fragment is being weighed: one that contains itself is refused by validation.
    fragments: HashMap<&'a Name, Option<Weight>>,
}

impl<'a> Scale<'a> {
    fn weigh_operation(&mut self) -> Weight {
        let root = match self.operation.ty {
            OperationType::Query => Some(self.registry.query_type.as_str()),
            OperationType::Mutation => self.registry.mutation_type.as_deref(),
            OperationType::Subscription => self.registry.subscription_type.as_deref(),
        };
        self.weigh_set(&self.operation.selection_set, root, 0)
    }

    fn weigh_set(
        &mut self,
        set: &'a Positioned<SelectionSet>,
        parent: Option<&'a str>,
        level: usize,
    ) -> Weight {
        if level > MAX_NESTING {
            return Weight {
                depth: level as u64,
                ..Weight::default()
            };
        }
        let mut sum = Weight::default();
        for selection in &set.node.items {
            let weight = match &selection.node {
                Selection::Field(field) => self.weigh_field(&field.node, parent, level),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition
                        .map(|condition| condition.node.on.node.as_str())
                        .or(parent);
                    self.weigh_set(&fragment.node.selection_set, parent, level + 1)
                }
                Selection::FragmentSpread(spread) => {
                    self.weigh_fragment(&spread.node.fragment_name.node, level)
                }
            };
            sum = sum.beside(weight);
        }
        sum
    }

    fn weigh_fragment(&mut self, name: &'a Name, level: usize) -> Weight {
        if let Some(known) = self.fragments.get(name) {
            return known.unwrap_or_default();
        }
        let Some(fragment) = self.document.fragments.get(name) else {
            return Weight::default();
        };
        self.fragments.insert(name, None);
        let condition = fragment.node.type_condition.node.on.node.as_str();
        let weight = self.weigh_set(&fragment.node.selection_set, Some(condition), level + 1);
        self.fragments.insert(name, Some(weight));
        weight
    }

    fn weigh_field(&mut self, field: &'a Field, parent: Option<&'a str>, level: usize) -> Weight {
        let fields_of = parent.and_then(|parent| self.registry.types.get(parent));
        let of_type = fields_of
            .and_then(|parent| parent.field_by_name(&field.name.node))
            .map(|field| MetaTypeName::concrete_typename(&field.ty));
        let below = self.weigh_set(&field.selection_set, of_type, level + 1);
        let times = if of_type.is_some_and(|name| name.ends_with("Connection")) {
            self.page_length(field)
        } else {
            1
        };
        let representations = match field.name.node.as_str() {
            ENTITIES => self.argument(field, "representations"),
            _ => None,
        };
        let representations = match representations.as_deref() {
            Some(Value::List(all)) => all.len() as u64,
            _ => 0,
        };
        Weight {
            depth: below.depth.saturating_add(1),
            complexity: below.complexity.saturating_mul(times).saturating_add(1),
            aliases: below
                .aliases
                .saturating_add(u64::from(field.alias.is_some())),
            representations: below.representations.max(representations),
            introspects: below.introspects
                || ["__schema", "__type"].contains(&field.name.node.as_str()),
        }
    }

    /// How long the page of a connection is, as far as it counts: a longer one is refused where it is read.
    fn page_length(&self, field: &Field) -> u64 {
        let asked =
            ["first", "last"]
                .iter()
                .find_map(|name| match self.argument(field, name)?.as_ref() {
                    Value::Number(length) => length.as_u64(),
                    _ => None,
                });
        asked
            .unwrap_or(page::DEFAULT_LENGTH.into())
            .min(page::MAX_LENGTH.into())
    }

    fn argument(&self, field: &Field, name: &str) -> Option<Cow<'a, Value>> {
        argument(self.operation, self.variables, field, name)
    }
}
