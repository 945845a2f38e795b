//! What a guest wants to see: its manifest, checked, with the globs made.

use super::error::clip;
use super::instance::Manifest;
use super::limits::{COLUMNS_MAX, SUBSCRIPTIONS_MAX};
use super::{GuestError, World};
use crate::change::{Op, Schema};
use globset::{GlobBuilder, GlobMatcher};

/// What may be said of a guest to people: its manifest, and what the file is.
#[derive(Clone, Debug)]
pub struct Description {
    pub world: World,
    pub name: String,
    pub version: String,
    /// The version of the frame that it was built with; of the world `json`, the one that the host makes for it.
    pub frame: u16,
    /// Short hash of the file.
    pub generation: String,
    pub size_bytes: u64,
    /// Table glob, operations and columns of each subscription; empty lists stand for all.
    pub subscriptions: Vec<Subscribed>,
    pub routes: Vec<String>,
    pub stateful: bool,
    /// What the component imports.
    pub imports: Vec<String>,
}

/// One subscription as the guest wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    pub table: String,
    pub operations: Vec<String>,
    pub columns: Vec<String>,
    pub old: bool,
}

/// One line of the manifest, ready to be asked.
#[derive(Debug)]
pub(super) struct Subscription {
    glob: GlobMatcher,
    /// One bit per operation.
    ops: u8,
    /// Empty for all.
    pub(super) columns: Vec<String>,
    pub(super) old: bool,
}

/// All subscriptions of a guest. The first that matches a row decides what crosses.
#[derive(Debug)]
pub(super) struct Subscriptions(Vec<Subscription>);

pub(super) const OPS: [Op; 5] = [Op::Insert, Op::Update, Op::Delete, Op::Truncate, Op::Read];

impl Subscriptions {
    /// Checks what the guest says of itself against what this host and this pipeline have.
    pub(super) fn new(manifest: &Manifest, routes: &[String]) -> Result<Self, GuestError> {
        let supported = sluicegate_frame::VERSION;
        if manifest.frame != supported {
            return Err(GuestError::FrameVersion { found: manifest.frame, supported });
        }
        if let Some(route) = manifest.routes.iter().find(|r| !routes.contains(r)) {
            let known = if routes.is_empty() { "none".to_owned() } else { routes.join(", ") };
            return Err(GuestError::UnknownRoute { route: clip(route, 128), known });
        }
        let unusable = |table: &str, reason: String| {
            Err(GuestError::Subscription { subscription: clip(table, 128), reason: clip(&reason, 256) })
        };
        if manifest.subscriptions.len() > SUBSCRIPTIONS_MAX {
            return unusable(
                "*",
                format!("there are more than {SUBSCRIPTIONS_MAX}; one glob can stand for many tables"),
            );
        }
        let mut all = Vec::with_capacity(manifest.subscriptions.len());
        for s in &manifest.subscriptions {
            if s.columns.len() > COLUMNS_MAX {
                return unusable(
                    &s.table,
                    format!("it names more than {COLUMNS_MAX} columns; an empty list stands for all"),
                );
            }
            let glob = match GlobBuilder::new(&s.table).build() {
                Ok(glob) => glob.compile_matcher(),
                Err(error) => {
                    return unusable(&s.table, format!("{}; a glob is like public.orders or shop.*", error.kind()));
                }
            };
            let mut ops = if s.operations.is_empty() { u8::MAX } else { 0 };
            for name in &s.operations {
                match OPS.iter().find(|op| op.name() == name) {
                    Some(op) => ops |= bit(*op),
                    None => {
                        return unusable(
                            &s.table,
                            format!("{name:?} is no operation; they are insert, update, delete, truncate, read"),
                        );
                    }
                }
            }
            all.push(Subscription { glob, ops, columns: s.columns.clone(), old: s.old });
        }
        Ok(Self(all))
    }

    /// The subscription that such rows fall under, with its index.
    pub(super) fn of(&self, schema: &Schema, op: Op) -> Option<(usize, &Subscription)> {
        let name = schema.full_name();
        self.0.iter().enumerate().find(|(_, s)| s.ops & bit(op) != 0 && s.glob.is_match(&name))
    }

    /// One bit per operation that is wanted of a table.
    pub(super) fn ops_of(&self, schema: &Schema) -> u8 {
        let name = schema.full_name();
        self.0.iter().filter(|s| s.glob.is_match(&name)).fold(0, |ops, s| ops | s.ops)
    }
}

pub(super) fn bit(op: Op) -> u8 {
    1 << op as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::SchemaId;
    use crate::guest::instance::WireSubscription;

    fn manifest(subscriptions: Vec<WireSubscription>) -> Manifest {
        Manifest {
            name: "g".into(),
            version: "1".into(),
            frame: sluicegate_frame::VERSION,
            subscriptions,
            routes: Vec::new(),
            stateful: false,
            extra: Vec::new(),
        }
    }

    fn subscription(table: &str, operations: &[&str]) -> WireSubscription {
        let operations = operations.iter().map(ToString::to_string).collect();
        WireSubscription { table: table.into(), operations, columns: Vec::new(), old: false }
    }

    fn table(name: &str) -> Schema {
        let (namespace, table) = name.split_once('.').expect("schema.table");
        Schema {
            id: SchemaId(1),
            source: "s".into(),
            database: Default::default(),
            namespace: namespace.into(),
            table: table.into(),
            columns: Vec::new(),
        }
    }

    #[test]
    fn first_subscription_that_matches_table_and_operation_decides() {
        let list = vec![subscription("public.a", &["delete"]), subscription("public.*", &[])];
        let all = Subscriptions::new(&manifest(list), &[]).expect("a good manifest");
        assert_eq!(all.of(&table("public.a"), Op::Delete).map(|(i, _)| i), Some(0));
        assert_eq!(all.of(&table("public.a"), Op::Insert).map(|(i, _)| i), Some(1));
        assert!(all.of(&table("other.a"), Op::Insert).is_none());
        assert_eq!(all.ops_of(&table("other.a")), 0);
    }

    #[test]
    fn manifest_that_can_not_be_met_is_refused_with_a_remedy() {
        let glob = Subscriptions::new(&manifest(vec![subscription("public.[", &[])]), &[]).expect_err("no glob");
        assert!(glob.to_string().contains("shop.*"), "{glob}");
        let op = Subscriptions::new(&manifest(vec![subscription("a.b", &["upsert"])]), &[]).expect_err("no operation");
        assert!(op.to_string().contains("truncate"), "{op}");
        let route = Manifest { routes: vec!["custmer".into()], ..manifest(Vec::new()) };
        let route = Subscriptions::new(&route, &["customer".into()]).expect_err("no route");
        assert!(route.to_string().contains("customer") && route.to_string().contains("custmer"), "{route}");
        let frame = Manifest { frame: 99, ..manifest(Vec::new()) };
        assert!(Subscriptions::new(&frame, &[]).expect_err("no frame").to_string().contains("99"));
    }
}
