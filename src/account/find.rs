//! Reading accounts.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Accounts, Email, Identifier, Username};
use crate::{
    entity::{account, by_ids},
    error::Result,
    page::{Page, Slice},
};

/// Names one account.
#[derive(Debug, Clone)]
pub enum AccountSelector {
    /// By its id.
    Id(Uuid),
    /// By its user name.
    Username(Username),
    /// By its e-mail address.
    Email(Email),
}

impl From<Identifier> for AccountSelector {
    fn from(identifier: Identifier) -> Self {
        match identifier {
            Identifier::Username(username) => Self::Username(username),
            Identifier::Email(email) => Self::Email(email),
        }
    }
}

impl Accounts {
    /// One account.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn find(&self, by: AccountSelector) -> Result<Option<account::Model>> {
        let condition = match by {
            AccountSelector::Id(id) => account::Column::Id.eq(id),
            AccountSelector::Username(username) => {
                account::Column::Username.eq(username.into_string())
            }
            AccountSelector::Email(email) => account::Column::Email.eq(email.into_string()),
        };
        Ok(account::Entity::find()
            .filter(condition)
            .one(self.db())
            .await?)
    }

    /// Accounts by id.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn accounts_by_id(&self, ids: &[Uuid]) -> Result<Vec<account::Model>> {
        by_ids::find::<account::Column, _>(self.db(), "accounts", ids, account::Model::from_columns)
            .await
    }

    /// A page of all accounts, newest first.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn page(&self, page: Page) -> Result<Slice<account::Model>> {
        let mut select = account::Entity::find().limit(u64::from(page.length) + 1);
        if let Some(after) = page.after {
            select = select.filter(account::Column::Id.lt(after));
        }
        if let Some(before) = page.before {
            select = select.filter(account::Column::Id.gt(before));
        }
        select = if page.from_end {
            select.order_by_asc(account::Column::Id)
        } else {
            select.order_by_desc(account::Column::Id)
        };
        Ok(page.slice(select.all(self.db()).await?))
    }

    /// How many accounts there are. It scans the table: only for whom it is asked.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub async fn count(&self) -> Result<u64> {
        Ok(account::Entity::find().count(self.db()).await?)
    }
}
