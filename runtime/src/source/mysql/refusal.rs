//! Why the log can not be read on, in words that say what to do.

use super::bytes::Cut;
use super::rows::BadRow;
use super::tables::Table;
use crate::fault::Fault;

/// Why the log can not be read on. Names the table, the column or the event, and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct DecodeError {
    /// Passing: the catalog could not be asked; connect again and `restart`. Fatal: somebody must change something.
    pub(super) fault: Fault,
    pub(super) message: String,
    /// Changes are missing whatever anybody does.
    pub(super) loss: bool,
}

impl DecodeError {
    pub(super) fn fatal(message: impl Into<String>) -> Self {
        Self { fault: Fault::Fatal, message: message.into(), loss: false }
    }

    pub(super) fn passing(message: String) -> Self {
        Self { fault: Fault::Passing, message, loss: false }
    }

    /// Changes that the log does not have as rows, or not at all.
    pub(super) fn loss(message: impl Into<String>) -> Self {
        Self { loss: true, ..Self::fatal(message) }
    }

    /// An event whose bytes are not what its type says.
    pub(super) fn unreadable() -> Self {
        Self::fatal(
            "it can not be read; nothing is lost, it will be sent again: name the server itself in the URL, without a proxy between, \
             and start again",
        )
    }
}

impl From<Cut> for DecodeError {
    fn from(Cut: Cut) -> Self {
        Self::unreadable()
    }
}

pub(super) fn by_statement(what: &str) -> DecodeError {
    DecodeError::loss(format!(
        "the log has a change of {what} as a statement, not as rows: run `SET GLOBAL binlog_format = ROW`, see that no session sets \
         it otherwise, then raise `epoch` of this source and begin anew with a snapshot"
    ))
}

pub(super) fn bad_row(bad: BadRow, table: &Table) -> DecodeError {
    let column = |index: usize| match &table.plans[index].name {
        Some(name) => name.clone(),
        None => format!("number {}", index + 1),
    };
    let again = "nothing is lost, it will be sent again: name the server itself in the URL, without a proxy between, or take a newer \
                 sluicegate";
    DecodeError::fatal(match bad {
        BadRow::Event => format!("the rows of {} do not fit to how it was announced; {again}", table.name),
        BadRow::Row { column: index } => {
            format!("a row of {} ends inside of column {}; {again}", table.name, column(index))
        }
        BadRow::Value { column: index } => {
            format!("the value of column {} of {} is none of its type; {again}", column(index), table.name)
        }
        BadRow::NoDocument { column: index } => format!(
            "column {} of {} was logged only in part, without the document before it: run `SET GLOBAL binlog_row_value_options = ''` \
             or `SET GLOBAL binlog_row_image = FULL`, see that no session sets it otherwise, then begin anew with a snapshot",
            column(index),
            table.name
        ),
    })
}
