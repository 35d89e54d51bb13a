//! Accounts that move in from another system, or from another database of ours, with the hashes of their passwords.
//!
//! There is no cursor: what is there already is known by itself. An import that was interrupted is run again, over the
//! same lines or over others, in any order and on any machine, and goes on.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    QueryFilter, QueryTrait, sea_query::OnConflict,
};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{Accounts, Email, Username};
use crate::{
    database,
    entity::account,
    error::{Error, Result},
    scope::permissions_claim,
};

/// As many accounts as are imported at a time: a statement has ten values of each, and SQLite takes 32,766 in all,
/// PostgreSQL 65,535.
pub const IMPORT_BATCH: usize = 1_000;

/// An account of another system. What is absent is as in an account that is made now.
#[derive(Clone, Default)]
pub struct ImportedAccount {
    /// Its id there, if it shall stay the same. Without one it gets a `UUIDv7` of [`created_at`](Self::created_at).
    pub id: Option<Uuid>,
    /// As in a sign-up.
    pub username: Option<String>,
    /// As in a sign-up.
    pub email: Option<String>,
    /// Whether the other system has verified the address.
    pub email_verified: bool,
    /// Argon2, bcrypt, scrypt or scrypt-kdf, of any cost that a sign-in may have. Absent: the account cannot sign in with a password.
    pub password_hash: Option<SecretString>,
    /// RFC 6749 scope tokens.
    pub permissions: Vec<String>,
    /// Whether it is deactivated, where it is not known since when.
    pub deactivated: Option<bool>,
    /// Since when it is deactivated.
    pub deactivated_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed; when it was made, where this is absent.
    pub updated_at: Option<DateTime<Utc>>,
}

/// The hash stays out of every log.
impl fmt::Debug for ImportedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedAccount")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An account that has been checked, as far as that needs no database.
#[derive(Debug, Clone)]
pub struct Arrival {
    row: account::Model,
    /// Whether its id is one that it had elsewhere.
    has_own_id: bool,
    /// Whether it is known when it was made.
    has_own_date: bool,
}

/// What became of an account.
#[derive(Debug)]
pub enum Imported {
    /// It has been made.
    Created,
    /// It was there already, and has been left as it is.
    AlreadyThere,
    /// It cannot be made beside what is there: `BAD_USER_INPUT` naming the field.
    Refused(Error),
}

impl Accounts {
    /// Checks an account, as far as that needs no database.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` naming the field.
    pub fn check_import(&self, imported: &ImportedAccount) -> Result<Arrival> {
        let username = imported.username.as_deref();
        let username = username.map(Username::parse).transpose()?;
        let email = imported.email.as_deref().map(Email::parse).transpose()?;
        if imported.id.is_none() && username.is_none() && email.is_none() {
            return Err(Error::bad_user_input(
                "username",
                "at least one of `id`, `username` and `email` is needed",
            ));
        }
        if imported.id.is_some_and(|id| id.is_nil() || id.is_max()) {
            return Err(Error::bad_user_input("id", "must be a UUID of its own"));
        }
        if imported.email_verified && email.is_none() {
            return Err(Error::bad_user_input(
                "emailVerified",
                "is true, and there is no `email`",
            ));
        }
        if imported.deactivated == Some(false) && imported.deactivated_at.is_some() {
            return Err(Error::bad_user_input(
                "deactivated",
                "is false, and there is a `deactivatedAt`",
            ));
        }
        let password_hash = imported.password_hash.as_ref();
        let password_hash = password_hash.map(ExposeSecret::expose_secret);
        if let Some(hash) = password_hash {
            self.passwords
                .check_imported(hash)
                .map_err(|error| Error::bad_user_input("passwordHash", error.to_string()))?;
        }
        let now = self.sessions.clock().now();
        for (field, at) in [
            ("createdAt", imported.created_at),
            ("updatedAt", imported.updated_at),
            ("deactivatedAt", imported.deactivated_at),
        ] {
            // Other machines' clocks are ahead by minutes, not by days.
            let known = DateTime::UNIX_EPOCH..=now + TimeDelta::days(1);
            if at.is_some_and(|at| !known.contains(&at)) {
                return Err(Error::bad_user_input(field, "must be from 1970 to now"));
            }
        }
        let microseconds = |at: DateTime<Utc>| at.trunc_subsecs(6);
        let created_at = imported.created_at.map_or(now, microseconds);
        let deactivated_now = (imported.deactivated == Some(true)).then_some(now);
        let row = account::Model {
            id: match imported.id {
                Some(id) => id,
                None => self.sessions.new_id(created_at)?,
            },
            username: username.map(Username::into_string),
            email: email.map(Email::into_string),
            email_verified: imported.email_verified,
            password_hash: password_hash.map(str::to_owned),
            permissions: permissions_claim(&imported.permissions)?,
            deactivated_at: imported
                .deactivated_at
                .map(microseconds)
                .or(deactivated_now),
            credentials_version: 0,
            created_at,
            updated_at: imported.updated_at.map_or(created_at, microseconds),
        };
        Ok(Arrival {
            row,
            has_own_id: imported.id.is_some(),
            has_own_date: imported.created_at.is_some(),
        })
    }

    /// Makes accounts, in one transaction, and says for each in turn what became of it. One that cannot be made takes no
    /// other with it. Up to [`IMPORT_BATCH`] at a time.
    ///
    /// # Errors
    ///
    /// What the database says: then none of them has been made.
    pub async fn import(&self, arrivals: &[Arrival]) -> Result<Vec<Imported>> {
        let mut imported = Vec::new();
        imported.resize_with(arrivals.len(), || Imported::Created);
        let mut pending: Vec<usize> = (0..arrivals.len()).collect();
        let transaction = database::begin(self.db()).await?;
        while !pending.is_empty() {
            // Two of one name wait for each other: what the second one is depends on what became of the first.
            let (now, later) = without_common_names(arrivals, &pending);
            let rows = now.iter().map(|index| &arrivals[*index].row);
            let created = insert_all(&transaction, rows.cloned().collect()).await?;
            let left: Vec<_> = now
                .into_iter()
                .filter(|index| !created.contains(&arrivals[*index].row.id))
                .collect();
            let rows = left.iter().map(|index| &arrivals[*index].row);
            let present = Present::find(&transaction, rows).await?;
            for index in left {
                imported[index] = self.compare(&arrivals[index], &present);
            }
            pending = later;
        }
        transaction.commit().await?;
        Ok(imported)
    }

    /// What an account is that could not be made: one that is there, or one that collides with it.
    fn compare(&self, arrival: &Arrival, present: &Present) -> Imported {
        let row = &arrival.row;
        let name = |name: &Option<String>| name.as_deref().map(|name| present.by_name(name));
        let found = [
            ("id", arrival.has_own_id.then(|| present.by_id(row.id))),
            ("username", name(&row.username)),
            ("email", name(&row.email)),
        ];
        let given = found
            .iter()
            .filter_map(|(field, found)| Some((*field, (*found)?)));
        let refused = |field, why| Imported::Refused(Error::bad_user_input(field, why));
        let Some((field, there)) = given
            .clone()
            .find_map(|(field, found)| Some((field, found?)))
        else {
            return refused("id", "could not be stored".to_owned());
        };
        let mut others = given.filter(|(_, found)| found.is_none_or(|found| found.id != there.id));
        let other = others.next().map(|(field, _)| field);
        let is_later = arrival.has_own_date && there.created_at != row.created_at;
        let has_other_hash = !self.may_have_become(row, there);
        let differing = other
            .or(is_later.then_some("createdAt"))
            .or(has_other_hash.then_some("passwordHash"));
        match differing {
            Some(other) => refused(
                field,
                format!("is that of an account with another `{other}`"),
            ),
            None => Imported::AlreadyThere,
        }
    }

    /// Whether an account's hash can be what an imported one has become: it stays the same until a sign-in makes it anew
    /// or the password is changed.
    fn may_have_become(&self, imported: &account::Model, there: &account::Model) -> bool {
        let Some(before) = imported.password_hash.as_deref() else {
            return true;
        };
        let made_anew =
            |after: &str| !self.passwords.is_todays(before) && self.passwords.is_todays(after);
        there.credentials_version > 0
            || there
                .password_hash
                .as_deref()
                .is_some_and(|after| after == before || made_anew(after))
    }
}

/// Splits what is pending into accounts that have no name in common, and those that have one with an earlier one.
fn without_common_names(arrivals: &[Arrival], pending: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    pending.iter().partition(|index| {
        let row = &arrivals[**index].row;
        // User names have no @, so the two do not mix.
        let mut own = [&row.username, &row.email].into_iter().flatten();
        let is_first = !ids.contains(&row.id) && !own.clone().any(|name| names.contains(name));
        ids.insert(row.id);
        names.extend(own.by_ref());
        is_first
    })
}

/// Inserts what has no conflict, and returns the ids of that.
async fn insert_all(
    connection: &impl ConnectionTrait,
    rows: Vec<account::Model>,
) -> Result<HashSet<Uuid>> {
    let rows = rows
        .into_iter()
        .map(|row| row.into_active_model().reset_all());
    let mut insert = account::Entity::insert_many(rows)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .into_query();
    insert.returning_col(account::Column::Id);
    let created = connection.query_all(&insert).await?;
    let ids = created.iter().map(|row| row.try_get_by_index(0));
    Ok(ids.collect::<std::result::Result<_, _>>()?)
}

/// Accounts that are there, by whatever names them.
struct Present {
    rows: Vec<account::Model>,
    by_id: HashMap<Uuid, usize>,
    by_name: HashMap<String, usize>,
}

impl Present {
    /// Those that have a name of one of these.
    async fn find<'a>(
        connection: &impl ConnectionTrait,
        of: impl Iterator<Item = &'a account::Model> + Clone,
    ) -> Result<Self> {
        let rows = if of.clone().next().is_some() {
            let ids = of.clone().map(|row| row.id);
            let usernames = of.clone().filter_map(|row| row.username.as_deref());
            let emails = of.filter_map(|row| row.email.as_deref());
            account::Entity::find()
                .filter(
                    Condition::any()
                        .add(account::Column::Id.is_in(ids))
                        .add(account::Column::Username.is_in(usernames))
                        .add(account::Column::Email.is_in(emails)),
                )
                .all(connection)
                .await?
        } else {
            Vec::new()
        };
        let mut present = Self {
            by_id: HashMap::new(),
            by_name: HashMap::new(),
            rows,
        };
        for (index, row) in present.rows.iter().enumerate() {
            present.by_id.insert(row.id, index);
            let names = [&row.username, &row.email].into_iter().flatten();
            present
                .by_name
                .extend(names.map(|name| (name.clone(), index)));
        }
        Ok(present)
    }

    fn by_id(&self, id: Uuid) -> Option<&account::Model> {
        self.by_id.get(&id).map(|index| &self.rows[*index])
    }

    fn by_name(&self, name: &str) -> Option<&account::Model> {
        self.by_name.get(name).map(|index| &self.rows[*index])
    }
}
