//! What stands between the parentheses of `#[transform(...)]`, read strictly: an unknown key or operation is an error.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprArray, Ident, Lit, LitBool, LitStr, Path, Result, Token};

const KEYS: &str = "table, tables, columns, operations, old, routes, stateful, init, name";
const OPERATIONS: [&str; 5] = ["insert", "update", "delete", "truncate", "read"];

/// The arguments, checked.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) tables: Vec<LitStr>,
    pub(crate) columns: Vec<LitStr>,
    /// Names of the variants of `Op`.
    pub(crate) operations: Vec<Ident>,
    pub(crate) old: bool,
    pub(crate) routes: Vec<LitStr>,
    pub(crate) stateful: bool,
    pub(crate) init: Option<Path>,
    pub(crate) name: Option<LitStr>,
}

struct Pair {
    key: Ident,
    value: Expr,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { key, value: input.parse()? })
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let pairs = Punctuated::<Pair, Token![,]>::parse_terminated(input)?;
        let mut arguments = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for Pair { key, value } in pairs {
            let word = key.to_string();
            if seen.contains(&word) {
                return Err(Error::new(key.span(), format!("`{word}` is given twice")));
            }
            arguments.take(&key, &word, value)?;
            seen.push(word);
        }
        if arguments.tables.is_empty() {
            let needed = "a guest needs a `table`, such as table = \"public.orders\", or `tables = [...]`";
            return Err(Error::new(Span::call_site(), needed));
        }
        Ok(arguments)
    }
}

impl Arguments {
    fn take(&mut self, key: &Ident, word: &str, value: Expr) -> Result<()> {
        match word {
            "table" => self.tables.push(text(value)?),
            "tables" => self.tables.extend(texts(value)?),
            "columns" => self.columns = distinct(texts(value)?)?,
            "operations" => self.operations = texts(value)?.iter().map(operation).collect::<Result<_>>()?,
            "old" => self.old = flag(value)?,
            "routes" => self.routes = texts(value)?,
            "stateful" => self.stateful = flag(value)?,
            "init" => self.init = Some(path(value)?),
            "name" => self.name = Some(text(value)?),
            _ => return Err(Error::new(key.span(), format!("no key `{word}`; there are: {KEYS}"))),
        }
        Ok(())
    }
}

fn text(value: Expr) -> Result<LitStr> {
    match value {
        Expr::Lit(lit) => match lit.lit {
            Lit::Str(text) if !text.value().is_empty() => Ok(text),
            other => Err(Error::new_spanned(other, "expected a text that is not empty")),
        },
        other => Err(Error::new_spanned(other, "expected a text, such as \"public.orders\"")),
    }
}

fn texts(value: Expr) -> Result<Vec<LitStr>> {
    match value {
        Expr::Array(ExprArray { elems, .. }) => elems.into_iter().map(text).collect(),
        other => Err(Error::new_spanned(other, "expected a list of texts, such as [\"id\", \"status\"]")),
    }
}

fn distinct(texts: Vec<LitStr>) -> Result<Vec<LitStr>> {
    for (at, text) in texts.iter().enumerate() {
        if texts[..at].iter().any(|earlier| earlier.value() == text.value()) {
            return Err(Error::new(text.span(), format!("`{}` is listed twice", text.value())));
        }
    }
    Ok(texts)
}

fn operation(text: &LitStr) -> Result<Ident> {
    let word = text.value();
    if !OPERATIONS.contains(&word.as_str()) {
        let known = OPERATIONS.join(", ");
        return Err(Error::new(text.span(), format!("no operation `{word}`; there are: {known}")));
    }
    let (first, rest) = word.split_at(1);
    Ok(Ident::new(&format!("{}{rest}", first.to_uppercase()), text.span()))
}

fn flag(value: Expr) -> Result<bool> {
    match value {
        Expr::Lit(lit) => match lit.lit {
            Lit::Bool(LitBool { value, .. }) => Ok(value),
            other => Err(Error::new_spanned(other, "expected true or false")),
        },
        other => Err(Error::new_spanned(other, "expected true or false")),
    }
}

fn path(value: Expr) -> Result<Path> {
    match value {
        Expr::Path(path) => Ok(path.path),
        other => Err(Error::new_spanned(other, "expected the name of a function")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn refusal(tokens: proc_macro2::TokenStream) -> String {
        syn::parse2::<Arguments>(tokens).err().expect("arguments with a mistake").to_string()
    }

    #[test]
    fn all_keys_are_taken() {
        let arguments: Arguments = syn::parse2(quote! {
            tables = ["public.a", "shop.*"], columns = ["id"], operations = ["insert", "truncate"], old = true,
            routes = ["r"], stateful = true, init = setup::start, name = "n",
        })
        .expect("arguments without mistake");
        assert_eq!(arguments.tables.len(), 2);
        assert_eq!(arguments.operations, ["Insert", "Truncate"]);
        assert!(arguments.old && arguments.stateful && arguments.init.is_some() && arguments.name.is_some());
    }

    #[test]
    fn mistakes_say_what_is_expected() {
        assert!(refusal(quote!()).starts_with("a guest needs a `table`"));
        assert!(
            refusal(quote!(table = "t", colums = [])).starts_with("no key `colums`; there are: table, tables, columns")
        );
        assert_eq!(refusal(quote!(table = "t", table = "u")), "`table` is given twice");
        assert_eq!(refusal(quote!(table = "t", columns = ["a", "a"])), "`a` is listed twice");
        assert!(
            refusal(quote!(table = "t", operations = ["upsert"]))
                .starts_with("no operation `upsert`; there are: insert")
        );
        assert_eq!(refusal(quote!(table = "t", old = 1)), "expected true or false");
        assert_eq!(refusal(quote!(table = "")), "expected a text that is not empty");
        assert!(refusal(quote!(table = "t", columns = "id")).starts_with("expected a list of texts"));
    }
}
