//! Documents that have been read before: parsed once, and found again by the digest of their text.
//!
//! That is also all that automatic persisted queries need (Apollo's protocol): a client sends the SHA-256 of a document
//! instead of the document, and the document as well where the server does not know it.
//!
//! What is kept is a function of the document and the schema, and of nothing else: limits are weighed with the variables of
//! each request, and validation is remembered only for a document that has no variables.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use async_graphql::{
    Request, ServerError, ServerResult, ValidationResult, Value,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest, NextValidation,
    },
    parser::types::{DocumentOperations, ExecutableDocument, OperationType},
};
use async_trait::async_trait;
use quick_cache::{Weighter, sync::Cache};

use super::{document::data_of_request, document_size::DocumentSize, errors::request_error};
use crate::{
    crypto::sha256,
    error::{Error, ErrorKind, Result},
};

/// In bytes.
const CAPACITY: u64 = 16 << 20;
/// In bytes of text: longer documents are read each time.
const MAX_LENGTH: usize = 64 << 10;
/// What a name or a value of a parsed document takes in memory, roughly; it is several times what its text takes.
const BYTES_OF_TOKEN: u64 = 512;
const EXPECTED: usize = 4 * 1024;

type Digest = [u8; 32];

/// A bounded store of parsed documents (16 MiB), and the schema extension that answers automatic persisted queries from it.
///
/// Register it after [`extend`](super::extend) has registered its own. Clones share one store.
///
/// A document that writes and has texts in it is never kept: they may be passwords.
#[derive(Clone)]
pub struct Documents(Arc<Cache<Digest, Arc<Document>, Bytes>>);

struct Document {
    parsed: ExecutableDocument,
    size: DocumentSize,
    /// What validation said, where it depends on nothing but the document.
    validated: Option<OnceLock<ValidationResult>>,
}

impl Default for Documents {
    fn default() -> Self {
        Self(Arc::new(Cache::with_weighter(EXPECTED, CAPACITY, Bytes)))
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

impl Documents {
    /// The reading of one request's document.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            documents: self.clone(),
            document: OnceLock::new(),
        }
    }

    /// Reads the document of a request, once: from here, where it is known by the digest of its text or by the one that the
    /// request gives instead of it.
    ///
    /// A document that does not parse is left for execution to refuse.
    ///
    /// # Errors
    ///
    /// `PERSISTED_QUERY_NOT_FOUND` where only a digest is given and it is not known, and `BAD_REQUEST` where the one that is
    /// given is not that of the document.
    pub(crate) fn read(&self, request: &mut Request) -> Result<()> {
        if data_of_request::<Arc<Document>>(request).is_some() {
            return Ok(());
        }
        let announced = announced_digest(request)?;
        let digest = match (announced, request.query.is_empty()) {
            (None, true) => return Ok(()),
            (Some(announced), true) => announced,
            (announced, false) => {
                let digest = sha256(request.query.as_bytes());
                if announced.is_some_and(|announced| announced != digest) {
                    return Err(bad_persisted_query(
                        "`sha256Hash` is not that of the document",
                    ));
                }
                digest
            }
        };
        if let Some(known) = self.0.get(&digest) {
            request.set_parsed_query(known.parsed.clone());
            request.data.insert(known);
            return Ok(());
        }
        if request.query.is_empty() {
            return Err(ErrorKind::PersistedQueryNotFound.into());
        }
        if request.query.len() <= MAX_LENGTH
            && let Ok(parsed) = request.parsed_query()
            && let Some(document) = Document::to_keep(parsed)
        {
            let document = Arc::new(document);
            self.0.insert(digest, Arc::clone(&document));
            request.data.insert(document);
        }
        Ok(())
    }
}

impl Document {
    fn to_keep(parsed: &ExecutableDocument) -> Option<Self> {
        let size = DocumentSize::of(parsed);
        let mut operations = parsed.operations.iter();
        let writes = operations
            .clone()
            .any(|(_, operation)| operation.node.ty == OperationType::Mutation);
        if writes && size.texts > 0 {
            return None;
        }
        let is_one = match &parsed.operations {
            DocumentOperations::Single(_) => true,
            DocumentOperations::Multiple(operations) => operations.len() == 1,
        };
        let has_variables =
            operations.any(|(_, operation)| !operation.node.variable_definitions.is_empty());
        Some(Self {
            parsed: parsed.clone(),
            size,
            validated: (is_one && !has_variables).then(OnceLock::new),
        })
    }
}

/// The digest in `extensions.persistedQuery`.
fn announced_digest(request: &Request) -> Result<Option<Digest>> {
    let persisted = match request.extensions.get("persistedQuery") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(persisted)) => persisted,
        Some(_) => return Err(bad_persisted_query("it has to be an object")),
    };
    match persisted.get("version") {
        Some(Value::Number(version)) if version.as_u64() == Some(1) => {}
        _ => return Err(bad_persisted_query("`version` has to be 1")),
    }
    let digest = match persisted.get("sha256Hash") {
        Some(Value::String(hash)) => hex::decode(hash).ok(),
        _ => None,
    };
    let digest = digest.and_then(|digest| Digest::try_from(digest).ok());
    let expected = || bad_persisted_query("`sha256Hash` has to be 64 hexadecimal digits");
    digest.map(Some).ok_or_else(expected)
}

fn bad_persisted_query(problem: &str) -> Error {
    ErrorKind::BadRequest(format!("extensions.persistedQuery: {problem}.").into()).into()
}

impl ExtensionFactory for Documents {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.reading())
    }
}

/// The reading of one request's document.
pub(super) struct Reading {
    documents: Documents,
    document: OnceLock<Arc<Document>>,
}

impl Reading {
    pub(super) fn read(&self, request: &mut Request) -> ServerResult<()> {
        self.documents.read(request).map_err(request_error)?;
        if let Some(document) = data_of_request::<Arc<Document>>(request) {
            let _ = self.document.set(Arc::clone(document));
        }
        Ok(())
    }

    /// Where what validation says of the document is remembered.
    fn remembered(&self) -> Option<&OnceLock<ValidationResult>> {
        self.document.get()?.validated.as_ref()
    }

    /// What validation has said of the document.
    pub(super) fn validated(&self) -> Option<ValidationResult> {
        self.remembered()?.get().copied()
    }

    pub(super) fn remember(&self, valid: ValidationResult) {
        if let Some(remembered) = self.remembered() {
            let _ = remembered.set(valid);
        }
    }
}

#[async_trait]
impl Extension for Reading {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = next.run(ctx, request).await?;
        self.read(&mut request)?;
        Ok(request)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> std::result::Result<ValidationResult, Vec<ServerError>> {
        if let Some(valid) = self.validated() {
            return Ok(valid);
        }
        let valid = next.run(ctx).await?;
        self.remember(valid);
        Ok(valid)
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Digest, Arc<Document>> for Bytes {
    fn weight(&self, _digest: &Digest, document: &Arc<Document>) -> u64 {
        BYTES_OF_TOKEN * (1 + document.size.tokens) + document.size.texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(documents: &Documents, text: &str) -> Request {
        let mut request = Request::new(text);
        documents.read(&mut request).unwrap();
        request
    }

    fn is_kept(documents: &Documents, text: &str) -> bool {
        documents.0.get(&sha256(text.as_bytes())).is_some()
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let documents = Documents::default();
        for number in 0..5_000 {
            let fields: Vec<_> = (0..50).map(|field| format!("f{number}_{field}")).collect();
            read(&documents, &format!("{{ {} }}", fields.join(" ")));
        }
        assert!(documents.0.weight() <= CAPACITY);
        assert!(documents.0.len() < 1_000, "{}", documents.0.len());
        // A single one that is long takes no one's place.
        let long = format!("{{ a(b: \"{}\") }}", "x".repeat(MAX_LENGTH));
        read(&documents, &long);
        assert!(!is_kept(&documents, &long));
    }

    #[test]
    fn texts_of_mutations_are_not_kept() {
        let documents = Documents::default();
        for (text, kept) in [
            ("mutation { a(b: \"secret\") }", false),
            ("mutation { a @b(c: [{ d: \"secret\" }]) }", false),
            ("mutation($a: String = \"secret\") { a(b: $a) }", false),
            (
                "mutation { ...F } fragment F on Mutation { a(b: \"secret\") }",
                false,
            ),
            ("query A { a } mutation B { a(b: \"secret\") }", false),
            ("mutation($a: String) { a(b: $a, c: 1, d: D) }", true),
            ("{ a(b: \"text\") }", true),
            ("{ a(", false),
        ] {
            read(&documents, text);
            assert_eq!(is_kept(&documents, text), kept, "{text}");
        }
    }

    #[test]
    fn validation_is_remembered_where_nothing_else_counts() {
        let documents = Documents::default();
        for (text, remembered) in [
            ("{ a }", true),
            ("query A { a }", true),
            ("query A($b: Int) { a(b: $b) }", false),
            ("query A { a } query B { b }", false),
        ] {
            let request = read(&documents, text);
            let document = data_of_request::<Arc<Document>>(&request).unwrap();
            assert_eq!(document.validated.is_some(), remembered, "{text}");
        }
    }
}
