//! An input field with a default that may be fed by an omitted variable.

use std::borrow::Cow;

use async_graphql::{InputType, InputValueError, InputValueResult, Value, registry::Registry};

/// A non-null input with a default value: `transport: $t` with `$t` omitted is the default, as the GraphQL specification
/// has it (section 3.10), where the library would call it an error. In the schema it is `T` itself.
#[derive(Debug, Clone, Copy)]
pub struct Omittable<T>(Option<T>);

impl<T> Omittable<T> {
    /// The default, for `#[graphql(default_with = …)]`.
    pub fn default_of(value: T) -> Self {
        Self(Some(value))
    }

    /// The value, or the default where there was none.
    pub fn or(self, default: T) -> T {
        self.0.unwrap_or(default)
    }
}

impl<T: InputType> InputType for Omittable<T> {
    type RawValueType = T::RawValueType;

    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry);
        Self::qualified_type_name()
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        match value {
            None | Some(Value::Null) => Ok(Self(None)),
            value => T::parse(value)
                .map(|value| Self(Some(value)))
                .map_err(InputValueError::propagate),
        }
    }

    fn to_value(&self) -> Value {
        self.0.as_ref().map_or(Value::Null, InputType::to_value)
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_ref().and_then(InputType::as_raw_value)
    }
}
