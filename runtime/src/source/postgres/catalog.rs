//! What the catalog must be asked for: names and kinds of types, remembered for as long as the source runs; keys, and how
//! columns were declared, asked for with each announcement of a table.

use super::PostgresSettings;
use super::declared;
use super::link::{Link, Purpose, QUERY_MAX, SqlRow};
use super::pgoutput::Relation;
use super::relation::{Catalog, Described, DescribedColumn};
use super::trouble::Trouble;
use super::value::{Kind, Scalar};
use crate::change::ColumnDetail;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The catalog of a running server, asked over a connection that is opened when it is needed.
pub(super) struct ServerCatalog {
    settings: Arc<PostgresSettings>,
    stop: Arc<AtomicBool>,
    link: Option<Link>,
    types: HashMap<u32, TypeRow>,
    names: HashMap<(u32, i32), String>,
}

/// A row of `pg_type`, as far as it matters here.
#[derive(Clone)]
struct TypeRow {
    name: String,
    /// `typtype`: b, c, d, e, p, r, m.
    typtype: u8,
    base: u32,
    /// What a domain says of its base's length or precision, -1 for nothing.
    modifier: i32,
    /// The element of a true array, 0 for everything else (int2vector and point have elements, but are written otherwise).
    element: u32,
    delimiter: u8,
}

/// Domains over domains; nobody has so many.
const DOMAIN_DEPTH_MAX: usize = 32;

impl ServerCatalog {
    pub(super) fn new(settings: Arc<PostgresSettings>, stop: Arc<AtomicBool>) -> Self {
        Self { settings, stop, link: None, types: HashMap::new(), names: HashMap::new() }
    }

    /// Whether the server still serves.
    ///
    /// # Errors
    /// If it does not: it is shutting down, or gone.
    pub(super) fn is_server_there(&mut self) -> Result<(), Trouble> {
        self.ask("ask whether the server is there", "SELECT 1").map(drop)
    }

    /// Asks, over a new connection if the old one is gone.
    fn ask(&mut self, doing: &'static str, sql: &str) -> Result<Vec<SqlRow>, Trouble> {
        if let Some(link) = &mut self.link {
            match link.query(doing, sql, Some(QUERY_MAX)) {
                Err(Trouble::Io { .. }) => self.link = None,
                Err(trouble @ Trouble::Server { .. }) => {
                    // A server that goes down says so first; the next one gets a fresh connection.
                    self.link = None;
                    tracing::debug!(?trouble, "catalog connection is opened again");
                }
                answer => return answer,
            }
        }
        let link = self.link.insert(Link::open(&self.settings, Purpose::Sql, &self.stop)?);
        link.query(doing, sql, Some(QUERY_MAX))
    }

    /// Learns the types, and what they are made of, level by level.
    fn learn_types(&mut self, mut wanted: Vec<u32>) -> Result<(), Trouble> {
        for _ in 0..DOMAIN_DEPTH_MAX {
            wanted.retain(|oid| *oid != 0 && Scalar::builtin(*oid).is_none() && !self.types.contains_key(oid));
            if wanted.is_empty() {
                return Ok(());
            }
            let list = wanted.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            let rows = self.ask(
                "look up types",
                &format!(
                    "SELECT oid, typname, typtype, typbasetype, CASE WHEN typlen = -1 AND typcategory = 'A' AND oid NOT IN (22, 30) THEN typelem ELSE 0 END, \
                     typdelim, typtypmod FROM pg_catalog.pg_type WHERE oid IN ({list})"
                ),
            )?;
            // A type that was dropped since is known by its number only.
            for oid in std::mem::take(&mut wanted) {
                let gone = TypeRow {
                    name: format!("type {oid}"),
                    typtype: b'b',
                    base: 0,
                    modifier: -1,
                    element: 0,
                    delimiter: b',',
                };
                self.types.insert(oid, gone);
            }
            for row in &rows {
                let Some((oid, found)) = type_row(row) else {
                    return Err(Trouble::Protocol("a row of pg_type that can not be read".into()));
                };
                wanted.extend([found.base, found.element]);
                self.types.insert(oid, found);
            }
        }
        Ok(())
    }

    fn kind(&self, oid: u32, depth: usize) -> Kind {
        if let Some(scalar) = Scalar::builtin(oid) {
            return Kind::Scalar(scalar);
        }
        match self.types.get(&oid) {
            Some(t) if t.typtype == b'd' && depth < DOMAIN_DEPTH_MAX => self.kind(t.base, depth + 1),
            Some(t) if t.typtype == b'e' => Kind::Scalar(Scalar::Enum),
            Some(t) if t.element != 0 && depth < DOMAIN_DEPTH_MAX => match self.kind(t.element, depth + 1) {
                Kind::Scalar(element) => Kind::Array { element, delimiter: self.delimiter(t.element) },
                // An array of a domain over an array: its elements are texts of arrays.
                Kind::Array { .. } => Kind::Array { element: Scalar::Other, delimiter: b',' },
            },
            Some(t) if t.name == "citext" => Kind::Scalar(Scalar::Text),
            _ => Kind::Scalar(Scalar::Other),
        }
    }

    /// What divides elements of this type: a comma, but for `box`.
    fn delimiter(&self, element: u32) -> u8 {
        self.types.get(&element).map_or(b',', |t| t.delimiter)
    }

    fn learn_names(&mut self, relation: &Relation<'_>) -> Result<(), Trouble> {
        let unknown: Vec<(u32, i32)> =
            relation.columns.map(|c| (c.type_oid, c.type_modifier)).filter(|c| !self.names.contains_key(c)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let values =
            unknown.iter().map(|(oid, modifier)| format!("({oid}::oid,{modifier})")).collect::<Vec<_>>().join(",");
        let sql = format!("SELECT o, m, pg_catalog.format_type(o, m) FROM (VALUES {values}) AS t(o, m)");
        for row in self.ask("look up names of types", &sql)? {
            if let (Some(oid), Some(modifier), Some(Some(name))) = (number(&row, 0), number(&row, 1), row.get(2)) {
                self.names.insert((oid, modifier), name.clone());
            }
        }
        Ok(())
    }

    /// The primary key, or else the first unique index by its name, as Debezium finds it, its columns nullable or not; the index that is
    /// the identity before both. One over a part of the rows or over expressions tells no row from all others.
    fn learn_key(&mut self, oid: u32, identity: u8) -> Result<Vec<String>, Trouble> {
        let first = if identity == b'i' { "i.indisreplident DESC, " } else { "" };
        let rows = self.ask(
            "look up the key",
            &format!(
                "SELECT a.attname FROM pg_catalog.pg_attribute a JOIN ( \
                   SELECT i.indrelid, i.indkey::int2[] AS keys, i.indnkeyatts FROM pg_catalog.pg_index i \
                   JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
                   WHERE i.indrelid = {oid} AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
                   ORDER BY {first}i.indisprimary DESC, i.indisclustered DESC, c.relname LIMIT 1) k \
                 ON a.attrelid = k.indrelid AND a.attnum = ANY (k.keys[0:k.indnkeyatts - 1]) ORDER BY array_position(k.keys, a.attnum)"
            ),
        )?;
        Ok(rows.into_iter().filter_map(|mut row| row.swap_remove(0)).collect())
    }
}

impl ServerCatalog {
    /// The type that a domain stands for, and what is said of its length or precision.
    fn base(&self, mut oid: u32, mut modifier: i32) -> (u32, i32) {
        for _ in 0..DOMAIN_DEPTH_MAX {
            let Some(domain) = self.types.get(&oid).filter(|t| t.typtype == b'd') else { break };
            oid = domain.base;
            if modifier < 0 {
                modifier = domain.modifier;
            }
        }
        (oid, modifier)
    }

    /// What a domain's type is called, where that says more than its number: types of extensions have another number on each server.
    fn base_name(&self, declared: u32, base: u32) -> String {
        let base = self.types.get(&base).filter(|_| base != declared);
        base.map(|t| t.name.clone()).unwrap_or_default()
    }

    /// The labels of the enumerations among a table's types and their elements. Asked anew each time: labels are added.
    fn learn_labels(&mut self, relation: &Relation<'_>) -> Result<HashMap<u32, Vec<String>>, Trouble> {
        let is_enum = |oid: &u32| self.types.get(oid).is_some_and(|t| t.typtype == b'e');
        let of_column = |oid: u32| {
            let (base, _) = self.base(oid, -1);
            [base, self.types.get(&base).map_or(0, |t| t.element)].into_iter().find(is_enum)
        };
        let mut wanted: Vec<String> =
            relation.columns.filter_map(|c| Some(of_column(c.type_oid)?.to_string())).collect();
        wanted.dedup();
        let mut labels: HashMap<u32, Vec<String>> = HashMap::new();
        if wanted.is_empty() {
            return Ok(labels);
        }
        let sql = format!(
            "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum WHERE enumtypid IN ({}) ORDER BY enumtypid, enumsortorder",
            wanted.join(",")
        );
        for mut row in self.ask("look up labels", &sql)? {
            if let (Some(oid), Some(label)) = (number(&row, 0), row.swap_remove(1)) {
                labels.entry(oid).or_default().push(label);
            }
        }
        Ok(labels)
    }

    /// Whether each column may be null, and its default. What is generated has none.
    fn learn_declared(&mut self, oid: u32) -> Result<HashMap<String, (bool, Option<String>)>, Trouble> {
        let sql = format!(
            "SELECT a.attname, a.attnotnull OR t.typtype = 'd' AND t.typnotnull, CASE WHEN a.attgenerated = '' AND a.attidentity = '' THEN \
               pg_catalog.pg_get_expr(d.adbin, d.adrelid) END FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_attrdef d \
               ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped"
        );
        let rows = self.ask("look up how columns were declared", &sql)?;
        let read = |row: SqlRow| match <[Option<String>; 3]>::try_from(row) {
            Ok([Some(name), not_null, default]) => Some((name, (not_null.as_deref() == Some("t"), default))),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

impl Catalog for ServerCatalog {
    fn describe(&mut self, relation: &Relation<'_>) -> Result<Described, Trouble> {
        self.learn_types(relation.columns.map(|c| c.type_oid).collect())?;
        self.learn_names(relation)?;
        let labels = self.learn_labels(relation)?;
        let declared = self.learn_declared(relation.oid)?;
        let key = self.learn_key(relation.oid, relation.identity)?;
        let name = |oid: u32, modifier: i32| match self.names.get(&(oid, modifier)) {
            Some(name) if name != "???" => name.clone(),
            _ => format!("type {oid}"),
        };
        let columns = relation
            .columns
            .map(|c| {
                let (type_id, modifier) = self.base(c.type_oid, c.type_modifier);
                let element = self.types.get(&type_id).map_or(0, |t| t.element);
                let (not_null, default) =
                    declared.get(String::from_utf8_lossy(c.name).as_ref()).cloned().unwrap_or_default();
                DescribedColumn {
                    type_name: name(c.type_oid, c.type_modifier),
                    kind: self.kind(c.type_oid, 0),
                    detail: ColumnDetail {
                        not_null,
                        modifiers: declared::modifiers(if element == 0 { type_id } else { element }, modifier),
                        default,
                        labels: labels.get(&type_id).or_else(|| labels.get(&element)).cloned().unwrap_or_default(),
                        type_id,
                        base_type: self.base_name(c.type_oid, type_id),
                        ..ColumnDetail::default()
                    },
                }
            })
            .collect();
        Ok(Described { columns, key })
    }
}

fn number<T: std::str::FromStr>(row: &SqlRow, index: usize) -> Option<T> {
    row.get(index)?.as_ref()?.parse().ok()
}

fn type_row(row: &SqlRow) -> Option<(u32, TypeRow)> {
    let byte = |index: usize| row.get(index)?.as_ref()?.bytes().next();
    let found = TypeRow {
        name: row.get(1)?.clone()?,
        typtype: byte(2)?,
        base: number(row, 3)?,
        element: number(row, 4)?,
        delimiter: byte(5)?,
        modifier: number(row, 6)?,
    };
    Some((number(row, 0)?, found))
}
