//! What a transform says of a row.

use crate::rejection::{Rejection, Result};
use sluicegate_frame::{Body, Emitted, Header};
use std::borrow::Cow;
use std::fmt::Display;

/// The decision about one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict(pub(crate) Decision);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Pass,
    Drop,
    Emit(Vec<Message>),
    Reject(Rejection),
}

/// The row goes to every route of the pipeline that matches it, with the edits that were recorded on it.
///
/// ```
/// # use sluicegate_guest::prelude::*;
/// # use sluicegate_guest::testing::{TestRow, run};
/// #[transform(table = "public.parcels")]
/// fn all(_: &mut Row, _: &Ctx) -> Verdict {
///     pass()
/// }
/// assert!(run::<all>(&TestRow::insert("public.parcels").int("id", 1)).is_pass());
/// ```
#[inline]
pub fn pass() -> Verdict {
    Verdict(Decision::Pass)
}

/// The row goes nowhere. That is counted and is no error.
///
/// ```
/// # use sluicegate_guest::prelude::*;
/// # use sluicegate_guest::testing::{TestRow, run};
/// #[transform(table = "public.parcels", columns = ["test"], operations = ["insert"])]
/// fn no_tests(row: &mut Row, _: &Ctx) -> Result<Verdict> {
///     Ok(if row.bool("test")? { drop_row() } else { pass() })
/// }
/// assert!(run::<no_tests>(&TestRow::insert("public.parcels").bool("test", true)).is_drop());
/// ```
#[inline]
pub fn drop_row() -> Verdict {
    Verdict(Decision::Drop)
}

/// A message to one route of the pipeline, instead of all that match. It carries the row in the route's format unless it is
/// given a body.
///
/// ```
/// # use sluicegate_guest::prelude::*;
/// # use sluicegate_guest::testing::{TestRow, run};
/// #[transform(table = "public.parcels", columns = ["id", "customer"], operations = ["insert"], routes = ["customer"])]
/// fn to_customer(row: &mut Row, _: &Ctx) -> Result<Verdict> {
///     Ok(route("customer").member(row.int("customer")?).header("x-parcel", row.int("id")?).into())
/// }
/// let verdict = run::<to_customer>(&TestRow::insert("public.parcels").int("id", 9).int("customer", 2));
/// assert_eq!(verdict.message().route, "customer");
/// assert_eq!(verdict.message().member.as_deref(), Some("2"));
/// assert_eq!(verdict.message().header("x-parcel"), Some("9"));
/// ```
pub fn route(name: impl Into<Cow<'static, str>>) -> Message {
    Message { route: name.into(), member: None, key: None, headers: Vec::new(), body: None }
}

/// Any number of messages, in this order; none is as good as dropping the row.
///
/// ```
/// # use sluicegate_guest::prelude::*;
/// # use sluicegate_guest::testing::{TestRow, run};
/// #[transform(table = "public.parcels", columns = ["sender", "receiver"], operations = ["insert"], routes = ["person"])]
/// fn to_both(row: &mut Row, _: &Ctx) -> Result<Verdict> {
///     let people = [row.int("sender")?, row.int("receiver")?];
///     Ok(emit(people.map(|person| route("person").member(person).body_json(format!(r#"{{"person":{person}}}"#)))))
/// }
/// let verdict = run::<to_both>(&TestRow::insert("public.parcels").int("sender", 1).int("receiver", 2));
/// assert_eq!(verdict.messages().len(), 2);
/// assert_eq!(verdict.messages()[1].body_text(), Some(r#"{"person":2}"#));
/// ```
pub fn emit(messages: impl IntoIterator<Item = Message>) -> Verdict {
    Verdict(Decision::Emit(messages.into_iter().collect()))
}

/// The row is bad. The pipeline's `on_error` says what becomes of it.
///
/// ```
/// # use sluicegate_guest::prelude::*;
/// # use sluicegate_guest::testing::{TestRow, run};
/// #[transform(table = "public.parcels", columns = ["weight_g"], operations = ["insert"])]
/// fn weighed(row: &mut Row, _: &Ctx) -> Result<Verdict> {
///     Ok(if row.int("weight_g")? > 0 { pass() } else { reject("weightless", "a parcel must weigh something") })
/// }
/// let verdict = run::<weighed>(&TestRow::insert("public.parcels").int("weight_g", 0));
/// assert_eq!(verdict.rejection().map(|r| r.code()), Some("weightless"));
/// ```
#[cold]
pub fn reject(code: impl Into<String>, message: impl Display) -> Verdict {
    Verdict(Decision::Reject(Rejection::new(code, message)))
}

/// One message to a named route; made by [`route`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a message is sent by returning it: `Ok(message.into())`"]
pub struct Message {
    route: Cow<'static, str>,
    member: Option<String>,
    key: Option<String>,
    headers: Vec<(Cow<'static, str>, String)>,
    body: Option<(Cow<'static, str>, Vec<u8>)>,
}

impl Message {
    /// The member of the route's target, instead of the one that the route's template names.
    pub fn member(mut self, member: impl Display) -> Self {
        self.member = Some(member.to_string());
        self
    }

    /// The ordering key, instead of the route's: messages of one lane with equal keys are delivered in order.
    pub fn key(mut self, key: impl Display) -> Self {
        self.key = Some(key.to_string());
        self
    }

    /// A header beside those of the route.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Display) -> Self {
        self.headers.push((name.into(), value.to_string()));
        self
    }

    /// A body of JSON text, sent as it is with `application/json`.
    pub fn body_json(self, json: impl Into<String>) -> Self {
        self.body("application/json", json.into())
    }

    /// A body of any kind, sent as it is.
    pub fn body(mut self, content_type: impl Into<Cow<'static, str>>, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some((content_type.into(), bytes.into()));
        self
    }

    pub(crate) fn as_emitted(&self) -> Emitted<'_> {
        Emitted {
            route: &self.route,
            member: self.member.as_deref(),
            key: self.key.as_deref(),
            headers: self.headers.iter().map(|(name, value)| Header { name, value }).collect(),
            body: match &self.body {
                None => Body::Row,
                Some((content_type, bytes)) => Body::Bytes { content_type, bytes },
            },
        }
    }
}

impl From<Message> for Verdict {
    fn from(message: Message) -> Self {
        Verdict(Decision::Emit(vec![message]))
    }
}

impl From<Rejection> for Verdict {
    #[cold]
    fn from(rejection: Rejection) -> Self {
        Verdict(Decision::Reject(rejection))
    }
}

/// What a transform may return: a [`Verdict`], or a [`Result`] of one.
pub trait Judgement {
    fn into_verdict(self) -> Verdict;
}

impl Judgement for Verdict {
    #[inline]
    fn into_verdict(self) -> Verdict {
        self
    }
}

impl Judgement for Result<Verdict> {
    #[inline]
    fn into_verdict(self) -> Verdict {
        self.unwrap_or_else(Verdict::from)
    }
}
