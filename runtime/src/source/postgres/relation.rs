//! A Relation message becomes a table that the decoder can use: a `Schema` for those behind us, a plan per column for us.

use super::PostgresSettings;
use super::pgoutput::{self, Datum, Message, Tuple};
use super::trouble::Trouble;
use super::url::Address;
use super::value::{Kind, Scalar};
use crate::change::{Column, ColumnDetail, Database, DatabaseKind, Schema, SchemaId};
use std::collections::HashMap;
use std::sync::Arc;

/// What the catalog knows beyond the Relation message.
pub(super) trait Catalog {
    /// What each column is, in their order, and the columns by which a row is told from others.
    fn describe(&mut self, relation: &pgoutput::Relation<'_>) -> Result<Described, Trouble>;
}

pub(super) struct Described {
    pub(super) columns: Vec<DescribedColumn>,
    /// Names in the key's order; what the message does not say under identity FULL or NOTHING.
    pub(super) key: Vec<String>,
}

pub(super) struct DescribedColumn {
    pub(super) type_name: String,
    pub(super) kind: Kind,
    pub(super) detail: ColumnDetail,
}

/// What to do with a column's value. `kind` is `None` for a column that is left out.
pub(super) struct ColumnPlan {
    pub(super) kind: Option<Kind>,
    /// Of an enumeration: the labels that are known.
    labels: Vec<String>,
    /// Whether an old image of kind `K` holds it.
    pub(super) is_in_old_key: bool,
}

/// A table while one connection lasts.
pub(super) struct Table {
    /// `None` for a table that nobody asked for.
    pub(super) schema: Option<Arc<Schema>>,
    pub(super) plans: Vec<ColumnPlan>,
    has_labels: bool,
    /// The Relation message that this was made from.
    bytes: Vec<u8>,
}

impl Table {
    /// Whether a new image has a label that is not among those that are known.
    #[inline]
    pub(super) fn has_new_label(&self, row: Tuple<'_>) -> bool {
        self.has_labels && self.new_labels(row).next().is_some()
    }

    /// Columns and labels.
    fn new_labels<'a>(&self, mut row: Tuple<'a>) -> impl Iterator<Item = (usize, &'a [u8])> {
        let plans = if usize::from(row.count) == self.plans.len() { self.plans.as_slice() } else { &[] };
        plans.iter().enumerate().filter_map(move |(index, plan)| match row.next() {
            Ok(Datum::Text(label)) if plan.is_new(label) => Some((index, label)),
            _ => None,
        })
    }

    fn remember_labels(&mut self, row: Tuple<'_>) {
        let found: Vec<(usize, String)> = self.new_labels(row).map(|(index, label)| (index, text(label))).collect();
        for (index, label) in found {
            self.plans[index].labels.push(label);
        }
    }
}

impl ColumnPlan {
    fn is_new(&self, label: &[u8]) -> bool {
        !self.labels.is_empty() && self.labels.iter().all(|known| known.as_bytes() != label)
    }
}

/// The rules that say what enters a frame.
pub(super) struct Rules {
    pub(super) source: String,
    pub(super) tables: super::TableRule,
    pub(super) columns: super::ColumnRule,
    pub(super) notices: super::NoticeRule,
    pub(super) database: Arc<Database>,
}

impl Rules {
    pub(super) fn of(settings: &PostgresSettings) -> Self {
        // A URL that can not be read is refused where the connection is opened, with a remedy.
        let name = Address::parse(&settings.url).map(|address| address.database).unwrap_or_default();
        Self {
            source: settings.name.clone(),
            tables: settings.tables.clone(),
            columns: settings.columns.clone(),
            notices: settings.notices.clone(),
            database: Arc::new(Database { kind: DatabaseKind::Postgres, name, epoch: settings.epoch }),
        }
    }
}

/// Tables by their oid, and every schema that was ever announced.
pub(super) struct Tables {
    rules: Rules,
    by_oid: HashMap<u32, Table>,
    /// The newest version by full name; it outlives a connection, so that a reconnect announces nothing new.
    newest: HashMap<(String, String), Arc<Schema>>,
    next_id: u32,
}

impl Tables {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, by_oid: HashMap::new(), newest: HashMap::new(), next_id: 1 }
    }

    /// A new connection announces its relations anew.
    pub(super) fn forget_connection(&mut self) {
        self.by_oid.clear();
    }

    #[inline]
    pub(super) fn get(&self, oid: u32) -> Option<&Table> {
        self.by_oid.get(&oid)
    }

    /// Takes a Relation message.
    pub(super) fn announce(
        &mut self,
        relation: &pgoutput::Relation<'_>,
        catalog: &mut dyn Catalog,
    ) -> Result<(), Trouble> {
        // The server repeats the message after every invalidation of its cache, an ANALYZE for example. An equal message may still
        // stand for other defaults, for NOT NULL, for another order within the key: these stand in the catalog alone.
        self.describe(relation, catalog)
    }

    /// A row has a label that was not there when its table was announced: the server announces nothing when one is added.
    pub(super) fn learn_label(&mut self, oid: u32, row: Tuple<'_>, catalog: &mut dyn Catalog) -> Result<(), Trouble> {
        let Some(table) = self.by_oid.get(&oid) else { return Ok(()) };
        let bytes = table.bytes.clone();
        let known: Vec<_> = table.plans.iter().map(|plan| plan.labels.clone()).collect();
        if let Ok(Message::Relation(relation)) = Message::parse(&bytes) {
            self.describe(&relation, catalog)?;
        }
        // What the catalog does not know any more is not asked for with every row, however many such labels take turns.
        if let Some(table) = self.by_oid.get_mut(&oid) {
            for (plan, known) in table.plans.iter_mut().zip(known) {
                let gone: Vec<_> = known.into_iter().filter(|label| !plan.labels.contains(label)).collect();
                plan.labels.extend(gone);
            }
            table.remember_labels(row);
        }
        Ok(())
    }

    fn describe(&mut self, relation: &pgoutput::Relation<'_>, catalog: &mut dyn Catalog) -> Result<(), Trouble> {
        // A primary key that is checked at the end of a transaction is no identity, and the message shows none.
        let is_told = matches!(relation.identity, b'd' | b'i') && { relation.columns }.any(|column| column.is_key);
        let (namespace, name) = (text(relation.namespace), text(relation.name));
        let bytes = relation.bytes.to_vec();
        if !(self.rules.tables)(&format!("{namespace}.{name}")) {
            let plans = relation.columns.map(|_| ColumnPlan { kind: None, labels: Vec::new(), is_in_old_key: false });
            let plans = plans.collect();
            self.by_oid.insert(relation.oid, Table { schema: None, plans, has_labels: false, bytes });
            return Ok(());
        }
        let described = catalog.describe(relation)?;
        let mut plans = Vec::with_capacity(described.columns.len());
        let mut columns = Vec::new();
        for (column, DescribedColumn { type_name, kind, mut detail }) in relation.columns.zip(described.columns) {
            let column_name = text(column.name);
            let position = described.key.iter().position(|name| *name == column_name);
            let key = if is_told { column.is_key } else { position.is_some() };
            let taken = (self.rules.columns)(&namespace, &name, &column_name).of(key);
            let is_asked = taken.is_some();
            let is_label = is_asked && matches!(kind, Kind::Scalar(Scalar::Enum));
            let labels = if is_label { detail.labels.clone() } else { Vec::new() };
            plans.push(ColumnPlan { kind: is_asked.then_some(kind), labels, is_in_old_key: column.is_key });
            if let Some(key_only) = taken {
                detail.key_only = key_only;
                detail.key_position = position.filter(|_| key).map_or(0, |at| at as u32 + 1);
                columns.push(Column { detail, ..Column::new(column_name, type_name, kind.tag(), key) });
            }
        }
        let schema = self.version(namespace, name, columns);
        let has_labels = plans.iter().any(|plan| !plan.labels.is_empty());
        self.by_oid.insert(relation.oid, Table { schema: Some(schema), plans, has_labels, bytes });
        Ok(())
    }

    /// The newest version if nothing changed, otherwise a new one with a fresh id.
    fn version(&mut self, namespace: String, table: String, columns: Vec<Column>) -> Arc<Schema> {
        let name = (namespace, table);
        if let Some(newest) = self.newest.get(&name).filter(|s| s.columns == columns) {
            return newest.clone();
        }
        let id = SchemaId(self.next_id);
        self.next_id += 1;
        let (namespace, table) = name.clone();
        let schema = Arc::new(Schema {
            id,
            source: self.rules.source.clone(),
            database: self.rules.database.clone(),
            namespace,
            table,
            columns,
        });
        self.newest.insert(name, schema.clone());
        schema
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
