//! Reading rows by their ids: one text, prepared once, for any number of them, and columns that are read by their places.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, Iden, Iterable, QueryResult, Statement, Value,
    sea_query::ArrayType,
};
use uuid::Uuid;

use crate::error::Result;

/// Rows of a table whose columns are `C`, in no order.
pub(crate) async fn find<C: Iterable + Iden, M>(
    connection: &impl ConnectionTrait,
    table: &str,
    ids: &[Uuid],
    from_columns: fn(&QueryResult, usize) -> Result<M, DbErr>,
) -> Result<Vec<M>> {
    let columns = columns::<C>(table);
    let read = format!(r#"SELECT {columns} FROM "{table}" WHERE "{table}"."id""#);
    let statement = statement(connection.get_database_backend(), &read, ids);
    let rows = connection.query_all_raw(statement).await?;
    let found = rows.iter().map(|row| from_columns(row, 0));
    Ok(found.collect::<Result<_, _>>()?)
}

/// A `SELECT` whose text ends with the column that has to be one of the ids.
pub(crate) fn statement(backend: DbBackend, read: &str, ids: &[Uuid]) -> Statement {
    let (text, values) = match ids {
        [id] => (format!("{read} = $1"), vec![Value::from(*id)]),
        _ if backend == DbBackend::Postgres => {
            let ids = ids.iter().map(|id| Value::from(*id)).collect();
            let array = Value::Array(ArrayType::Uuid, Some(Box::new(ids)));
            (format!("{read} = ANY($1)"), vec![array])
        }
        _ => {
            let ids = padded(ids.to_vec());
            let places = places(ids.len());
            let values = ids.into_iter().map(Value::from).collect();
            (format!("{read} IN {places}"), values)
        }
    };
    Statement::from_sql_and_values(backend, text, values)
}

/// The columns of a table, in the order of its entity.
pub(crate) fn columns<C: Iterable + Iden>(table: &str) -> String {
    let columns = C::iter().map(|column| format!(r#""{table}"."{}""#, column.to_string()));
    columns.collect::<Vec<_>>().join(", ")
}

/// `(?, ?, ?)`: the next values of a statement, for SQLite. sqlx asks it for the name of each place, and it looks for that
/// among the names of all.
pub(crate) fn places(count: usize) -> String {
    format!("({})", vec!["?"; count].join(", "))
}

/// A list repeats its last item up to the next power of two: so that there are few statements to prepare, whatever the
/// number of items.
pub(crate) fn padded<T: Clone>(mut items: Vec<T>) -> Vec<T> {
    if let Some(last) = items.last().cloned() {
        items.resize(items.len().next_power_of_two(), last);
    }
    items
}
