//! The extension that lets errors leave as they should: with their codes, and with nulls where the GraphQL
//! specification wants them (section 6.4.4).
//!
//! async-graphql 7 leaves a failed field out of the answer and lets no null propagate. Here a failed nullable field is
//! null beside its error, and a failed non-null one nulls its nearest nullable ancestor. Nor is an object null here because
//! directives leave nothing of its selection.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{
    QueryPathNode, QueryPathSegment, Request, Response, ServerError, ServerResult,
    ValidationResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
        NextPrepareRequest, NextRequest, NextResolve, NextSubscribe, NextValidation, ResolveInfo,
    },
    parser::types::ExecutableDocument,
    registry::Registry,
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};

use super::{
    document::{data_of_request, look, selected_operation},
    empty_selections::{self, unmark},
    errors::{RequestId, Stage, finish},
    variable_usages::misplaced,
    variables::misfits,
};

/// Handles the errors of each request, and finds those of its variables before anything is executed; register it before
/// every other extension.
#[derive(Debug, Clone, Copy, Default)]
pub struct ErrorExtension;

impl ExtensionFactory for ErrorExtension {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(ErrorHandling::default())
    }
}

/// One request's errors.
#[derive(Clone, Default)]
pub(super) struct ErrorHandling(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    request_id: Option<Arc<str>>,
    /// Variables that do not fit: said once the document itself is found to be valid.
    misfits: Vec<ServerError>,
    failed: Failed,
    /// Whether selections that may be empty have a mark, which no answer has.
    marked: bool,
}

/// What failed in one execution.
#[derive(Default)]
struct Failed {
    errors: Vec<ServerError>,
    /// Places whose value has to become null because a non-null one below them failed.
    nulled: HashSet<Vec<Segment>>,
    /// The types of the fields that are lists.
    lists: HashMap<Vec<Segment>, String>,
}

impl Failed {
    /// Nulls those items of a list that have to be: the items of `_entities` are resolved without being announced.
    fn null_items(&self, list: &QueryPathNode<'_>, mut value: Value) -> Value {
        if let Value::List(items) = &mut value {
            let mut place = path(list);
            for (index, item) in items.iter_mut().enumerate() {
                place.push(Segment::Index(index));
                if self.nulled.contains(&place) {
                    *item = Value::Null;
                }
                place.pop();
            }
        }
        value
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    Index(usize),
    Name(String),
}

impl ErrorHandling {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, errors: &mut [ServerError], stage: Stage) {
        if !errors.is_empty() {
            let request_id = self.state().request_id.clone();
            for error in errors {
                finish(error, stage, request_id.as_deref());
            }
        }
    }

    /// A request has come.
    pub(super) fn received(&self, request: &Request) {
        self.state().request_id = data_of_request::<RequestId>(request).map(|id| Arc::clone(&id.0));
    }

    /// A request is ready for validation.
    pub(super) fn prepared(&self, registry: &Registry, request: &mut Request) {
        let found = look(request, |document, name, variables| {
            selected_operation(document, name).map(|operation| {
                let misfits = misfits(registry, &operation.node, variables);
                if misfits.is_empty() {
                    misplaced(registry, document, &operation.node, variables)
                } else {
                    misfits
                }
            })
        });
        if let Some(misfits) = found.flatten().filter(|misfits| !misfits.is_empty()) {
            self.state().misfits = misfits;
        }
    }

    pub(super) fn parsed(
        &self,
        parsed: ServerResult<ExecutableDocument>,
    ) -> ServerResult<ExecutableDocument> {
        match parsed {
            Ok(mut document) => {
                if empty_selections::mark(&mut document) {
                    self.state().marked = true;
                }
                Ok(document)
            }
            Err(mut error) => {
                self.finish(std::slice::from_mut(&mut error), Stage::Parsing);
                Err(error)
            }
        }
    }

    pub(super) fn validated(
        &self,
        checked: Result<ValidationResult, Vec<ServerError>>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let misfits = std::mem::take(&mut self.state().misfits);
        let validated = if misfits.is_empty() {
            checked
        } else {
            checked.and(Err(misfits))
        };
        validated.map_err(|mut errors| {
            self.finish(&mut errors, Stage::Validation);
            errors
        })
    }

    /// A subscription executes once for each event.
    pub(super) fn begin_execution(&self) {
        self.state().failed = Failed::default();
    }

    pub(super) fn executed(&self, mut response: Response) -> Response {
        let failed = std::mem::take(&mut self.state().failed);
        if self.state().marked {
            unmark(&mut response.data);
        }
        if failed.nulled.contains(&Vec::new()) {
            response.data = Value::Null;
        }
        response.errors.extend(failed.errors);
        self.answered(response)
    }

    pub(super) fn answered(&self, mut response: Response) -> Response {
        self.finish(&mut response.errors, Stage::Execution);
        response
    }

    pub(super) fn finished<'s>(&self, stream: BoxStream<'s, Response>) -> BoxStream<'s, Response> {
        let this = self.clone();
        stream.map(move |response| this.answered(response)).boxed()
    }

    /// A field is going to be resolved.
    pub(super) fn begin_field(&self, field: &ResolveInfo<'_>) {
        let node = field.path_node;
        if field.return_type.starts_with('[') && matches!(node.segment, QueryPathSegment::Name(_)) {
            let mut state = self.state();
            state
                .failed
                .lists
                .insert(path(node), field.return_type.to_owned());
        }
    }

    /// A field has been resolved: what becomes of its value.
    pub(super) fn resolved(
        &self,
        node: &QueryPathNode<'_>,
        return_type: &str,
        mut resolved: ServerResult<Option<Value>>,
    ) -> Option<Value> {
        let mut state = self.state();
        if state.marked
            && let Ok(Some(value)) = &mut resolved
        {
            unmark(value);
        }
        let failed = &mut state.failed;
        let value = match resolved {
            Ok(value) if failed.nulled.is_empty() => return value,
            Ok(value) if !failed.nulled.contains(&path(node)) => {
                return value.map(|value| failed.null_items(node, value));
            }
            // Something below it failed that must not be null.
            Ok(_) => Value::Null,
            Err(mut error) => {
                if error.path.is_empty() {
                    error.path = public_path(node);
                }
                failed.errors.push(error);
                Value::Null
            }
        };
        let nullable = match node.segment {
            // What the library gives as an item's type is not what the field says.
            QueryPathSegment::Index(_) => is_nullable_item(&failed.lists, node),
            QueryPathSegment::Name(_) => !return_type.ends_with('!'),
        };
        if !nullable {
            failed
                .nulled
                .insert(node.parent.map(path).unwrap_or_default());
        }
        Some(value)
    }
}

#[async_trait]
impl Extension for ErrorHandling {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        self.answered(next.run(ctx).await)
    }

    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        self.finished(next.run(ctx, stream))
    }

    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        self.received(&request);
        let mut request = next.run(ctx, request).await?;
        self.prepared(&ctx.schema_env.registry, &mut request);
        Ok(request)
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        self.parsed(next.run(ctx, query, variables).await)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        self.validated(next.run(ctx).await)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        self.begin_execution();
        self.executed(next.run(ctx, operation_name).await)
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        self.begin_field(&info);
        let (node, return_type) = (info.path_node, info.return_type);
        let resolved = next.run(ctx, info).await;
        Ok(self.resolved(node, return_type, resolved))
    }
}

/// Whether an item of a list, or of a list in a list, may be null.
fn is_nullable_item(lists: &HashMap<Vec<Segment>, String>, item: &QueryPathNode<'_>) -> bool {
    let mut nodes = std::iter::successors(Some(item), |node| node.parent);
    let depth = nodes
        .clone()
        .take_while(|node| matches!(node.segment, QueryPathSegment::Index(_)))
        .count();
    let ty = nodes.nth(depth).and_then(|field| lists.get(&path(field)));
    ty.is_some_and(|ty| {
        let of_item = (0..depth).fold(ty.as_str(), |ty, _| {
            let list = ty.strip_suffix('!').unwrap_or(ty);
            list.strip_prefix('[')
                .and_then(|ty| ty.strip_suffix(']'))
                .unwrap_or(list)
        });
        !of_item.ends_with('!')
    })
}

fn path(node: &QueryPathNode<'_>) -> Vec<Segment> {
    let mut segments: Vec<_> = std::iter::successors(Some(node), |node| node.parent)
        .map(|node| match node.segment {
            QueryPathSegment::Index(index) => Segment::Index(index),
            QueryPathSegment::Name(name) => Segment::Name(name.to_owned()),
        })
        .collect();
    segments.reverse();
    segments
}

fn public_path(node: &QueryPathNode<'_>) -> Vec<async_graphql::PathSegment> {
    path(node)
        .into_iter()
        .map(|segment| match segment {
            Segment::Index(index) => async_graphql::PathSegment::Index(index),
            Segment::Name(name) => async_graphql::PathSegment::Field(name),
        })
        .collect()
}
