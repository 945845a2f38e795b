//! The row that a transform is given: its images, what happened to it, and the edits that are recorded on it.

use crate::calendar::Timestamp;
use crate::image::{Image, Which};
use crate::rejection::{Rejection, Result};
use crate::value::AsCell;
use sluicegate_frame::{Edit, EditBuf, FrameError, Op};
use std::ops::Deref;

/// One changed row.
///
/// All questions of [`Image`] can be asked of it: they speak of the row as it is now, and after a delete of the row as it
/// was. Edits do not change what they answer; they are laid over the row when the transform passes it or names a route.
///
/// ```
/// use sluicegate_guest::prelude::*;
///
/// #[transform(table = "public.parcels", columns = ["id", "note", "weight_g"], operations = ["insert"])]
/// fn tidy(row: &mut Row, _: &Ctx) -> Result<Verdict> {
///     let kilograms = row.int("weight_g")? as f64 / 1000.0;
///     row.set("note", row.text("note")?.trim())?;
///     row.unset("weight_g")?;
///     row.add("weight_kg", kilograms)?;
///     Ok(pass())
/// }
///
/// use sluicegate_guest::testing::{TestRow, run};
/// let tidied = run::<tidy>(&TestRow::insert("public.parcels").int("id", 7).text("note", " fragile ").int("weight_g", 1500));
/// assert!(tidied.sets("note", "fragile"));
/// assert!(tidied.sets("weight_kg", 1.5));
/// assert!(tidied.unsets("weight_g"));
/// ```
pub struct Row<'f> {
    image: Image<'f>,
    edits: &'f mut EditBuf,
}

impl<'f> Deref for Row<'f> {
    type Target = Image<'f>;

    #[inline]
    fn deref(&self) -> &Image<'f> {
        &self.image
    }
}

impl<'f> Row<'f> {
    #[inline]
    pub(crate) fn new(image: Image<'f>, edits: &'f mut EditBuf) -> Self {
        Self { image, edits }
    }

    /// The row before the change, if the log holds it and the guest subscribed to it with `old = true`. A table that logs
    /// only its key has an old image of which every other column is absent.
    pub fn old(&self) -> Option<Image<'f>> {
        (self.image.view.old_len() > 0).then_some(Image { which: Which::Old, ..self.image })
    }

    pub fn op(&self) -> Op {
        self.image.view.head.op
    }

    /// The table's name without its schema.
    pub fn table(&self) -> &'f str {
        &self.image.schema.table
    }

    /// The database's name for what the table is in: PostgreSQL's schema, MySQL's database.
    pub fn schema(&self) -> &'f str {
        &self.image.schema.namespace
    }

    /// The source's name in the pipeline.
    pub fn source(&self) -> &'f str {
        &self.image.schema.source
    }

    /// When the change was committed, by the database's clock.
    pub fn committed_at(&self) -> Timestamp {
        Timestamp::utc(self.image.view.head.committed_at)
    }

    /// Where the change stands in the log: grows within a source, and is the same after every restart.
    pub fn position(&self) -> u64 {
        self.image.view.head.position
    }

    /// Records another value for a column. The last edit of a column wins.
    ///
    /// # Errors
    /// If the guest does not get a column of this name.
    pub fn set(&mut self, column: &str, value: impl AsCell) -> Result<()> {
        let column = self.index(column)?;
        self.edits.push(&Edit::Set { column, value: value.as_cell() }).map_err(too_many)
    }

    /// Records that a column is to be left out of every message.
    ///
    /// # Errors
    /// If the guest does not get a column of this name.
    pub fn unset(&mut self, column: &str) -> Result<()> {
        let column = self.index(column)?;
        self.edits.push(&Edit::Unset { column }).map_err(too_many)
    }

    /// Records a column that the table does not have. If the table has it, this is `set`: a guest goes on when its table
    /// gains the column.
    ///
    /// # Errors
    /// For a name of more than 65,535 bytes.
    pub fn add(&mut self, name: &str, value: impl AsCell) -> Result<()> {
        let value = value.as_cell();
        let edit = match self.image.schema.index(name) {
            Some(index) => Edit::Set { column: self.narrow(name, index)?, value },
            None => Edit::Add { name, value },
        };
        self.edits.push(&edit).map_err(too_many)
    }

    pub(crate) fn into_edits(self) -> &'f mut EditBuf {
        self.edits
    }

    fn index(&self, column: &str) -> Result<u16> {
        let index = self.image.schema.index(column).ok_or_else(|| self.image.missing(column))?;
        self.narrow(column, index)
    }

    fn narrow(&self, column: &str, index: usize) -> Result<u16> {
        u16::try_from(index).map_err(|_| self.image.missing(column))
    }
}

#[cold]
fn too_many(error: FrameError) -> Rejection {
    Rejection::new("too-large", format_args!("the edits of this row do not fit: {error}"))
}
