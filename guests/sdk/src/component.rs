//! The border itself: the exports of the world `transform`, for any guest that the attribute made.

use crate::bindings::sluicegate::guest::types;
use crate::bindings::{Failure, Guest, Manifest, Pair, TableSchema};
use crate::context::Config;
use crate::host::{self, Level};
use crate::running::{Running, Transform};
use crate::schema::{Column, Schema};
use sluicegate_frame::{Tag, VERSION};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::panic;

/// The component that the attribute exports.
pub struct Component<T>(PhantomData<T>);

thread_local! {
    static RUNNING: RefCell<Option<Box<dyn Running>>> = const { RefCell::new(None) };
}

impl<T: Transform> Guest for Component<T> {
    fn describe() -> Manifest {
        report_panics();
        let m = T::MANIFEST;
        let owned = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let subscription = |table: &&str| types::Subscription {
            table: table.to_string(),
            operations: m.operations.iter().map(|op| op.name().to_owned()).collect(),
            columns: owned(m.columns),
            old: m.old,
        };
        Manifest {
            name: m.name.to_owned(),
            version: m.version.to_owned(),
            frame: VERSION,
            subscriptions: m.tables.iter().map(subscription).collect(),
            routes: owned(m.routes),
            stateful: m.stateful,
            extra: Vec::new(),
        }
    }

    fn init(config: Vec<Pair>) -> Result<(), String> {
        report_panics();
        let running = T::start(Config::new(config))?;
        RUNNING.set(Some(running));
        Ok(())
    }

    fn on_schema(schema: TableSchema) -> Result<(), String> {
        let column = |c: types::Column| Column {
            name: c.name,
            type_name: c.type_name,
            tag: Tag::from_byte(c.tag).ok(),
            key: c.key,
        };
        let columns = schema.columns.into_iter().map(column).collect();
        let schema = Schema::new(schema.id, schema.source, schema.namespace, schema.table, columns);
        RUNNING.with_borrow_mut(|running| match running {
            Some(running) => Ok(running.on_schema(schema)),
            None => Err("on-schema was called before init".to_owned()),
        })
    }

    fn transform(frame: Vec<u8>) -> Result<Vec<u8>, Failure> {
        RUNNING.with_borrow_mut(|running| match running {
            Some(running) => running
                .judge(&frame)
                .map_err(|failure| Failure { code: failure.code.to_owned(), message: failure.message }),
            None => {
                Err(Failure { code: "not-started".to_owned(), message: "transform was called before init".to_owned() })
            }
        })
    }
}

/// A panic ends in a bare `unreachable`; without this its message and place would be lost. One line, as logs are.
fn report_panics() {
    panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("a value that is no text");
        match info.location() {
            Some(place) => host::log(Level::Error, &format!("panic at {place}: {message}")),
            None => host::log(Level::Error, &format!("panic: {message}")),
        }
    }));
}
