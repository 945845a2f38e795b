//! How a table's schema is written down with a dead row, whole, so that the row can be given to a guest again.

use super::codec::is_default;
use crate::change::{Column, ColumnDetail, Database, DatabaseKind, Schema, SchemaId, Tag};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
pub(super) struct DatabaseText<'a> {
    kind: KindText,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    epoch: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindText {
    Postgres,
    Mysql,
    Mariadb,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SchemaText<'a> {
    id: u32,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    database: DatabaseText<'a>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    table: Cow<'a, str>,
    #[serde(borrow)]
    columns: Vec<ColumnText<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ColumnText<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    type_name: Cow<'a, str>,
    tag: u8,
    #[serde(default, skip_serializing_if = "is_default")]
    key: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    not_null: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    modifiers: Cow<'a, [i32]>,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    default: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    labels: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "is_default")]
    type_id: u32,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    charset: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    key_position: u32,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    comment: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "is_default")]
    base_type: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_default")]
    key_only: bool,
}

impl<'a> DatabaseText<'a> {
    pub(super) fn of(database: &'a Database) -> Self {
        let kind = match database.kind {
            DatabaseKind::Postgres => KindText::Postgres,
            DatabaseKind::Mysql => KindText::Mysql,
            DatabaseKind::Mariadb => KindText::Mariadb,
        };
        Self { kind, name: Cow::Borrowed(&database.name), epoch: database.epoch }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> DatabaseKind {
        match self.kind {
            KindText::Postgres => DatabaseKind::Postgres,
            KindText::Mysql => DatabaseKind::Mysql,
            KindText::Mariadb => DatabaseKind::Mariadb,
        }
    }

    pub(super) fn is(&self, database: &Database) -> bool {
        self.kind() == database.kind && self.name == database.name && self.epoch == database.epoch
    }
}

impl From<&DatabaseText<'_>> for Database {
    fn from(text: &DatabaseText<'_>) -> Self {
        Self { kind: text.kind(), name: text.name.to_string(), epoch: text.epoch }
    }
}

impl<'a> SchemaText<'a> {
    pub(super) fn of(schema: &'a Schema) -> Self {
        Self {
            id: schema.id.0,
            source: Cow::Borrowed(&schema.source),
            database: DatabaseText::of(&schema.database),
            namespace: Cow::Borrowed(&schema.namespace),
            table: Cow::Borrowed(&schema.table),
            columns: schema.columns.iter().map(ColumnText::of).collect(),
        }
    }

    pub(super) fn read(self) -> Result<Schema, String> {
        Ok(Schema {
            id: SchemaId(self.id),
            source: self.source.into_owned(),
            database: Arc::new(Database::from(&self.database)),
            namespace: self.namespace.into_owned(),
            table: self.table.into_owned(),
            columns: self.columns.into_iter().map(ColumnText::read).collect::<Result<_, _>>()?,
        })
    }
}

impl<'a> ColumnText<'a> {
    fn of(column: &'a Column) -> Self {
        let ColumnDetail {
            not_null,
            modifiers,
            default,
            labels,
            type_id,
            charset,
            key_position,
            comment,
            base_type,
            key_only,
        } = &column.detail;
        Self {
            name: Cow::Borrowed(&column.name),
            type_name: Cow::Borrowed(&column.type_name),
            tag: column.tag as u8,
            key: column.key,
            not_null: *not_null,
            modifiers: Cow::Borrowed(modifiers),
            default: default.as_deref().map(Cow::Borrowed),
            labels: Cow::Borrowed(labels),
            type_id: *type_id,
            charset: Cow::Borrowed(charset),
            key_position: *key_position,
            comment: Cow::Borrowed(comment),
            base_type: Cow::Borrowed(base_type),
            key_only: *key_only,
        }
    }

    fn read(self) -> Result<Column, String> {
        Ok(Column {
            name: self.name.into_owned(),
            type_name: self.type_name.into_owned(),
            tag: Tag::from_byte(self.tag).map_err(|e| e.to_string())?,
            key: self.key,
            detail: ColumnDetail {
                not_null: self.not_null,
                modifiers: self.modifiers.into_owned(),
                default: self.default.map(Cow::into_owned),
                labels: self.labels.into_owned(),
                type_id: self.type_id,
                charset: self.charset.into_owned(),
                key_position: self.key_position,
                comment: self.comment.into_owned(),
                base_type: self.base_type.into_owned(),
                key_only: self.key_only,
            },
        })
    }
}
