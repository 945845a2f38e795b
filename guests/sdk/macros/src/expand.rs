//! The code that the attribute adds to the function.

use crate::attribute::Arguments;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn, Result};

pub(crate) fn transform(arguments: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments)?;
    let function: ItemFn = syn::parse2(function)?;
    if function.sig.inputs.len() != 2 {
        let shape = "a transform takes the row and the context: fn name(row: &mut Row, cx: &Ctx) -> Result<Verdict>";
        return Err(Error::new_spanned(&function.sig, shape));
    }
    if let Some(asyncness) = function.sig.asyncness {
        return Err(Error::new_spanned(asyncness, "a transform is called and answers; there is nothing to wait for"));
    }
    let name = &function.sig.ident;
    let visibility = &function.vis;
    let Arguments { tables, columns, operations, old, routes, stateful, .. } = &arguments;
    let guest_name = arguments.name.as_ref().map_or_else(|| quote!(env!("CARGO_PKG_NAME")), |name| quote!(#name));
    let init = match &arguments.init {
        Some(path) => quote!(#path),
        None => quote!(|_: &::sluicegate_guest::Config| ::core::result::Result::Ok(())),
    };
    // Braces, so that the type has no constructor function: the function keeps the name among the values.
    Ok(quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #visibility struct #name {}

        impl ::sluicegate_guest::Transform for #name {
            const MANIFEST: ::sluicegate_guest::Manifest = ::sluicegate_guest::Manifest {
                name: #guest_name,
                version: env!("CARGO_PKG_VERSION"),
                tables: &[#(#tables),*],
                operations: &[#(::sluicegate_guest::Op::#operations),*],
                columns: &[#(#columns),*],
                old: #old,
                routes: &[#(#routes),*],
                stateful: #stateful,
            };

            fn start(
                config: ::sluicegate_guest::Config,
            ) -> ::core::result::Result<::std::boxed::Box<dyn ::sluicegate_guest::Running>, ::std::string::String> {
                ::sluicegate_guest::start(config, #init, #name)
            }
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = ::sluicegate_guest::Component<#name>;
            ::sluicegate_guest::bindings::export_world!(Exported with_types_in ::sluicegate_guest::bindings);
        };
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_another_shape_is_refused() {
        let refusal = |function| transform(quote!(table = "t"), function).expect_err("a wrong shape").to_string();
        assert!(
            refusal(quote!(
                fn f(row: &mut Row) -> Verdict {
                    pass()
                }
            ))
            .starts_with("a transform takes the row and")
        );
        assert!(
            refusal(quote!(
                async fn f(row: &mut Row, cx: &Ctx) -> Verdict {
                    pass()
                }
            ))
            .contains("nothing to wait for")
        );
        assert!(
            !refusal(quote!(
                struct Row;
            ))
            .is_empty()
        );
    }
}
