//! The `#[transform]` attribute: makes a guest of a function, with a mistake named at the place where it was made.

use proc_macro::TokenStream;

mod attribute;
mod expand;

/// Makes a guest of a function `fn(&mut Row, &Ctx<S>) -> Verdict`, or `-> Result<Verdict>`. One per crate.
///
/// | key | value | unless set |
/// |---|---|---|
/// | `table`, `tables` | glob over `schema.table`, or several; one of the two is needed | |
/// | `columns` | the columns that cross the border | all |
/// | `operations` | of `insert`, `update`, `delete`, `truncate`, `read` | all |
/// | `old` | whether [`Row::old`] is wanted | `false` |
/// | `routes` | the routes that the guest may name | none |
/// | `stateful` | whether verdicts depend on earlier rows; such a guest gets one row at a time | `false` |
/// | `init` | a function `fn(&Config) -> Result<S, String>`; what it returns is [`Ctx::state`] | `()` |
/// | `name` | the guest's name for the host | the crate's name |
///
/// Beside the function it makes a type of the same name, which [`testing::run`] takes, and in WebAssembly it exports the
/// world `transform` of `wit/sluicegate.wit`.
///
/// [`Row::old`]: https://docs.rs/sluicegate-guest
/// [`Ctx::state`]: https://docs.rs/sluicegate-guest
/// [`testing::run`]: https://docs.rs/sluicegate-guest
#[proc_macro_attribute]
pub fn transform(arguments: TokenStream, function: TokenStream) -> TokenStream {
    expand::transform(arguments.into(), function.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}
