//! What `wit/sluicegate.wit` becomes in Rust; for guests that go without the attribute. Generated, and kept: the generator takes longer to
//! compile than everything else of a guest together, and the contract changes rarely.
//!
//! Made of a file with the checksum 0dff881f, by wit-bindgen 0.61: put its `generate!` in the place of this module in `lib.rs` (path
//! `../../wit/sluicegate.wit`, world `transform`, `pub_export_macro: true`, `export_macro_name: "export_world"`,
//! `default_bindings_module: "sluicegate_guest::bindings"`), add its feature `macros`, and build a guest with `WIT_BINDGEN_DEBUG=1`:
//! `transform0.rs` below the target folder is what follows.

#![allow(clippy::all, clippy::unwrap_used, missing_docs, reason = "generated")]

pub type Manifest = sluicegate::guest::types::Manifest;
pub type TableSchema = sluicegate::guest::types::TableSchema;
pub type Failure = sluicegate::guest::types::Failure;
pub type Pair = sluicegate::guest::types::Pair;
#[doc(hidden)]
#[allow(non_snake_case, unused_unsafe)]
pub unsafe fn _export_describe_cabi<T_: Guest>() -> *mut u8 {
    unsafe {
        #[cfg(target_arch = "wasm32")] _rt::run_ctors_once();
        let result0 = { T_::describe() };
        let ptr1 = (&raw mut _RET_AREA.0).cast::<u8>();
        let sluicegate::guest::types::Manifest {
            name: name2,
            version: version2,
            frame: frame2,
            subscriptions: subscriptions2,
            routes: routes2,
            stateful: stateful2,
            extra: extra2,
        } = result0;
        let vec3 = (name2.into_bytes()).into_boxed_slice();
        let ptr3 = vec3.as_ptr().cast::<u8>();
        let len3 = vec3.len();
        ::core::mem::forget(vec3);
        *ptr1.add(::core::mem::size_of::<*const u8>()).cast::<usize>() = len3;
        *ptr1.add(0).cast::<*mut u8>() = ptr3.cast_mut();
        let vec4 = (version2.into_bytes()).into_boxed_slice();
        let ptr4 = vec4.as_ptr().cast::<u8>();
        let len4 = vec4.len();
        ::core::mem::forget(vec4);
        *ptr1.add(3 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len4;
        *ptr1.add(2 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = ptr4
            .cast_mut();
        *ptr1.add(4 * ::core::mem::size_of::<*const u8>()).cast::<u16>() = (_rt::as_i32(
            frame2,
        )) as u16;
        let vec11 = subscriptions2;
        let len11 = vec11.len();
        let layout11 = _rt::alloc::Layout::from_size_align(
                vec11.len() * (7 * ::core::mem::size_of::<*const u8>()),
                ::core::mem::size_of::<*const u8>(),
            )
            .unwrap();
        let (result11, _cleanup11) = wit_bindgen::rt::Cleanup::new(layout11);
        if let Some(cleanup) = _cleanup11 {
            cleanup.forget();
        }
        for (i, e) in vec11.into_iter().enumerate() {
            let base = result11.add(i * (7 * ::core::mem::size_of::<*const u8>()));
            {
                let sluicegate::guest::types::Subscription {
                    table: table5,
                    operations: operations5,
                    columns: columns5,
                    old: old5,
                } = e;
                let vec6 = (table5.into_bytes()).into_boxed_slice();
                let ptr6 = vec6.as_ptr().cast::<u8>();
                let len6 = vec6.len();
                ::core::mem::forget(vec6);
                *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>() = len6;
                *base.add(0).cast::<*mut u8>() = ptr6.cast_mut();
                let vec8 = operations5;
                let len8 = vec8.len();
                let layout8 = _rt::alloc::Layout::from_size_align(
                        vec8.len() * (2 * ::core::mem::size_of::<*const u8>()),
                        ::core::mem::size_of::<*const u8>(),
                    )
                    .unwrap();
                let (result8, _cleanup8) = wit_bindgen::rt::Cleanup::new(layout8);
                if let Some(cleanup) = _cleanup8 {
                    cleanup.forget();
                }
                for (i, e) in vec8.into_iter().enumerate() {
                    let base = result8
                        .add(i * (2 * ::core::mem::size_of::<*const u8>()));
                    {
                        let vec7 = (e.into_bytes()).into_boxed_slice();
                        let ptr7 = vec7.as_ptr().cast::<u8>();
                        let len7 = vec7.len();
                        ::core::mem::forget(vec7);
                        *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>() = len7;
                        *base.add(0).cast::<*mut u8>() = ptr7.cast_mut();
                    }
                }
                *base.add(3 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len8;
                *base.add(2 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = result8;
                let vec10 = columns5;
                let len10 = vec10.len();
                let layout10 = _rt::alloc::Layout::from_size_align(
                        vec10.len() * (2 * ::core::mem::size_of::<*const u8>()),
                        ::core::mem::size_of::<*const u8>(),
                    )
                    .unwrap();
                let (result10, _cleanup10) = wit_bindgen::rt::Cleanup::new(layout10);
                if let Some(cleanup) = _cleanup10 {
                    cleanup.forget();
                }
                for (i, e) in vec10.into_iter().enumerate() {
                    let base = result10
                        .add(i * (2 * ::core::mem::size_of::<*const u8>()));
                    {
                        let vec9 = (e.into_bytes()).into_boxed_slice();
                        let ptr9 = vec9.as_ptr().cast::<u8>();
                        let len9 = vec9.len();
                        ::core::mem::forget(vec9);
                        *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>() = len9;
                        *base.add(0).cast::<*mut u8>() = ptr9.cast_mut();
                    }
                }
                *base.add(5 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len10;
                *base.add(4 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = result10;
                *base.add(6 * ::core::mem::size_of::<*const u8>()).cast::<u8>() = (match old5 {
                    true => 1,
                    false => 0,
                }) as u8;
            }
        }
        *ptr1.add(6 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len11;
        *ptr1.add(5 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = result11;
        let vec13 = routes2;
        let len13 = vec13.len();
        let layout13 = _rt::alloc::Layout::from_size_align(
                vec13.len() * (2 * ::core::mem::size_of::<*const u8>()),
                ::core::mem::size_of::<*const u8>(),
            )
            .unwrap();
        let (result13, _cleanup13) = wit_bindgen::rt::Cleanup::new(layout13);
        if let Some(cleanup) = _cleanup13 {
            cleanup.forget();
        }
        for (i, e) in vec13.into_iter().enumerate() {
            let base = result13.add(i * (2 * ::core::mem::size_of::<*const u8>()));
            {
                let vec12 = (e.into_bytes()).into_boxed_slice();
                let ptr12 = vec12.as_ptr().cast::<u8>();
                let len12 = vec12.len();
                ::core::mem::forget(vec12);
                *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>() = len12;
                *base.add(0).cast::<*mut u8>() = ptr12.cast_mut();
            }
        }
        *ptr1.add(8 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len13;
        *ptr1.add(7 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = result13;
        *ptr1.add(9 * ::core::mem::size_of::<*const u8>()).cast::<u8>() = (match stateful2 {
            true => 1,
            false => 0,
        }) as u8;
        let vec17 = extra2;
        let len17 = vec17.len();
        let layout17 = _rt::alloc::Layout::from_size_align(
                vec17.len() * (4 * ::core::mem::size_of::<*const u8>()),
                ::core::mem::size_of::<*const u8>(),
            )
            .unwrap();
        let (result17, _cleanup17) = wit_bindgen::rt::Cleanup::new(layout17);
        if let Some(cleanup) = _cleanup17 {
            cleanup.forget();
        }
        for (i, e) in vec17.into_iter().enumerate() {
            let base = result17.add(i * (4 * ::core::mem::size_of::<*const u8>()));
            {
                let (t14_0, t14_1) = e;
                let vec15 = (t14_0.into_bytes()).into_boxed_slice();
                let ptr15 = vec15.as_ptr().cast::<u8>();
                let len15 = vec15.len();
                ::core::mem::forget(vec15);
                *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>() = len15;
                *base.add(0).cast::<*mut u8>() = ptr15.cast_mut();
                let vec16 = (t14_1.into_bytes()).into_boxed_slice();
                let ptr16 = vec16.as_ptr().cast::<u8>();
                let len16 = vec16.len();
                ::core::mem::forget(vec16);
                *base.add(3 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len16;
                *base.add(2 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = ptr16
                    .cast_mut();
            }
        }
        *ptr1.add(11 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len17;
        *ptr1.add(10 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = result17;
        ptr1
    }
}
#[doc(hidden)]
#[allow(non_snake_case)]
pub unsafe fn __post_return_describe<T_: Guest>(arg0: *mut u8) {
    unsafe {
        let l0 = *arg0.add(0).cast::<*mut u8>();
        let l1 = *arg0.add(::core::mem::size_of::<*const u8>()).cast::<usize>();
        _rt::cabi_dealloc(l0, l1, 1);
        let l2 = *arg0.add(2 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>();
        let l3 = *arg0.add(3 * ::core::mem::size_of::<*const u8>()).cast::<usize>();
        _rt::cabi_dealloc(l2, l3, 1);
        let l4 = *arg0.add(5 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>();
        let l5 = *arg0.add(6 * ::core::mem::size_of::<*const u8>()).cast::<usize>();
        let base18 = l4;
        let len18 = l5;
        for i in 0..len18 {
            let base = base18.add(i * (7 * ::core::mem::size_of::<*const u8>()));
            {
                let l6 = *base.add(0).cast::<*mut u8>();
                let l7 = *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>();
                _rt::cabi_dealloc(l6, l7, 1);
                let l8 = *base
                    .add(2 * ::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l9 = *base
                    .add(3 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                let base12 = l8;
                let len12 = l9;
                for i in 0..len12 {
                    let base = base12.add(i * (2 * ::core::mem::size_of::<*const u8>()));
                    {
                        let l10 = *base.add(0).cast::<*mut u8>();
                        let l11 = *base
                            .add(::core::mem::size_of::<*const u8>())
                            .cast::<usize>();
                        _rt::cabi_dealloc(l10, l11, 1);
                    }
                }
                _rt::cabi_dealloc(
                    base12,
                    len12 * (2 * ::core::mem::size_of::<*const u8>()),
                    ::core::mem::size_of::<*const u8>(),
                );
                let l13 = *base
                    .add(4 * ::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l14 = *base
                    .add(5 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                let base17 = l13;
                let len17 = l14;
                for i in 0..len17 {
                    let base = base17.add(i * (2 * ::core::mem::size_of::<*const u8>()));
                    {
                        let l15 = *base.add(0).cast::<*mut u8>();
                        let l16 = *base
                            .add(::core::mem::size_of::<*const u8>())
                            .cast::<usize>();
                        _rt::cabi_dealloc(l15, l16, 1);
                    }
                }
                _rt::cabi_dealloc(
                    base17,
                    len17 * (2 * ::core::mem::size_of::<*const u8>()),
                    ::core::mem::size_of::<*const u8>(),
                );
            }
        }
        _rt::cabi_dealloc(
            base18,
            len18 * (7 * ::core::mem::size_of::<*const u8>()),
            ::core::mem::size_of::<*const u8>(),
        );
        let l19 = *arg0.add(7 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>();
        let l20 = *arg0.add(8 * ::core::mem::size_of::<*const u8>()).cast::<usize>();
        let base23 = l19;
        let len23 = l20;
        for i in 0..len23 {
            let base = base23.add(i * (2 * ::core::mem::size_of::<*const u8>()));
            {
                let l21 = *base.add(0).cast::<*mut u8>();
                let l22 = *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>();
                _rt::cabi_dealloc(l21, l22, 1);
            }
        }
        _rt::cabi_dealloc(
            base23,
            len23 * (2 * ::core::mem::size_of::<*const u8>()),
            ::core::mem::size_of::<*const u8>(),
        );
        let l24 = *arg0.add(10 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>();
        let l25 = *arg0.add(11 * ::core::mem::size_of::<*const u8>()).cast::<usize>();
        let base30 = l24;
        let len30 = l25;
        for i in 0..len30 {
            let base = base30.add(i * (4 * ::core::mem::size_of::<*const u8>()));
            {
                let l26 = *base.add(0).cast::<*mut u8>();
                let l27 = *base.add(::core::mem::size_of::<*const u8>()).cast::<usize>();
                _rt::cabi_dealloc(l26, l27, 1);
                let l28 = *base
                    .add(2 * ::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l29 = *base
                    .add(3 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                _rt::cabi_dealloc(l28, l29, 1);
            }
        }
        _rt::cabi_dealloc(
            base30,
            len30 * (4 * ::core::mem::size_of::<*const u8>()),
            ::core::mem::size_of::<*const u8>(),
        );
    }
}
#[doc(hidden)]
#[allow(non_snake_case, unused_unsafe)]
pub unsafe fn _export_init_cabi<T_: Guest>(arg0: *mut u8, arg1: usize) -> *mut u8 {
    unsafe {
        #[cfg(target_arch = "wasm32")] _rt::run_ctors_once();
        let result7 = {
            let base6 = arg0;
            let len6 = arg1;
            let mut result6 = _rt::Vec::with_capacity(len6);
            for i in 0..len6 {
                let base = base6.add(i * (4 * ::core::mem::size_of::<*const u8>()));
                let e6 = {
                    let l0 = *base.add(0).cast::<*mut u8>();
                    let l1 = *base
                        .add(::core::mem::size_of::<*const u8>())
                        .cast::<usize>();
                    let len2 = l1;
                    let bytes2 = _rt::Vec::from_raw_parts(l0.cast(), len2, len2);
                    let l3 = *base
                        .add(2 * ::core::mem::size_of::<*const u8>())
                        .cast::<*mut u8>();
                    let l4 = *base
                        .add(3 * ::core::mem::size_of::<*const u8>())
                        .cast::<usize>();
                    let len5 = l4;
                    let bytes5 = _rt::Vec::from_raw_parts(l3.cast(), len5, len5);
                    (_rt::string_lift(bytes2), _rt::string_lift(bytes5))
                };
                result6.push(e6);
            }
            _rt::cabi_dealloc(
                base6,
                len6 * (4 * ::core::mem::size_of::<*const u8>()),
                ::core::mem::size_of::<*const u8>(),
            );
            T_::init(result6)
        };
        let ptr8 = (&raw mut _RET_AREA.0).cast::<u8>();
        match result7 {
            Ok(_) => {
                *ptr8.add(0).cast::<u8>() = (0i32) as u8;
            }
            Err(e) => {
                *ptr8.add(0).cast::<u8>() = (1i32) as u8;
                let vec9 = (e.into_bytes()).into_boxed_slice();
                let ptr9 = vec9.as_ptr().cast::<u8>();
                let len9 = vec9.len();
                ::core::mem::forget(vec9);
                *ptr8.add(2 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len9;
                *ptr8.add(::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = ptr9
                    .cast_mut();
            }
        };
        ptr8
    }
}
#[doc(hidden)]
#[allow(non_snake_case)]
pub unsafe fn __post_return_init<T_: Guest>(arg0: *mut u8) {
    unsafe {
        let l0 = i32::from(*arg0.add(0).cast::<u8>());
        match l0 {
            0 => {}
            _ => {
                let l1 = *arg0
                    .add(::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l2 = *arg0
                    .add(2 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                _rt::cabi_dealloc(l1, l2, 1);
            }
        }
    }
}
#[doc(hidden)]
#[allow(non_snake_case, unused_unsafe)]
pub unsafe fn _export_on_schema_cabi<T_: Guest>(
    arg0: i32,
    arg1: *mut u8,
    arg2: usize,
    arg3: *mut u8,
    arg4: usize,
    arg5: *mut u8,
    arg6: usize,
    arg7: *mut u8,
    arg8: usize,
    arg9: *mut u8,
    arg10: usize,
) -> *mut u8 {
    unsafe {
        #[cfg(target_arch = "wasm32")] _rt::run_ctors_once();
        let result19 = {
            let len0 = arg2;
            let bytes0 = _rt::Vec::from_raw_parts(arg1.cast(), len0, len0);
            let len1 = arg4;
            let bytes1 = _rt::Vec::from_raw_parts(arg3.cast(), len1, len1);
            let len2 = arg6;
            let bytes2 = _rt::Vec::from_raw_parts(arg5.cast(), len2, len2);
            let base11 = arg7;
            let len11 = arg8;
            let mut result11 = _rt::Vec::with_capacity(len11);
            for i in 0..len11 {
                let base = base11.add(i * (5 * ::core::mem::size_of::<*const u8>()));
                let e11 = {
                    let l3 = *base.add(0).cast::<*mut u8>();
                    let l4 = *base
                        .add(::core::mem::size_of::<*const u8>())
                        .cast::<usize>();
                    let len5 = l4;
                    let bytes5 = _rt::Vec::from_raw_parts(l3.cast(), len5, len5);
                    let l6 = *base
                        .add(2 * ::core::mem::size_of::<*const u8>())
                        .cast::<*mut u8>();
                    let l7 = *base
                        .add(3 * ::core::mem::size_of::<*const u8>())
                        .cast::<usize>();
                    let len8 = l7;
                    let bytes8 = _rt::Vec::from_raw_parts(l6.cast(), len8, len8);
                    let l9 = i32::from(
                        *base.add(4 * ::core::mem::size_of::<*const u8>()).cast::<u8>(),
                    );
                    let l10 = i32::from(
                        *base
                            .add(1 + 4 * ::core::mem::size_of::<*const u8>())
                            .cast::<u8>(),
                    );
                    sluicegate::guest::types::Column {
                        name: _rt::string_lift(bytes5),
                        type_name: _rt::string_lift(bytes8),
                        tag: l9 as u8,
                        key: _rt::bool_lift(l10 as u8),
                    }
                };
                result11.push(e11);
            }
            _rt::cabi_dealloc(
                base11,
                len11 * (5 * ::core::mem::size_of::<*const u8>()),
                ::core::mem::size_of::<*const u8>(),
            );
            let base18 = arg9;
            let len18 = arg10;
            let mut result18 = _rt::Vec::with_capacity(len18);
            for i in 0..len18 {
                let base = base18.add(i * (4 * ::core::mem::size_of::<*const u8>()));
                let e18 = {
                    let l12 = *base.add(0).cast::<*mut u8>();
                    let l13 = *base
                        .add(::core::mem::size_of::<*const u8>())
                        .cast::<usize>();
                    let len14 = l13;
                    let bytes14 = _rt::Vec::from_raw_parts(l12.cast(), len14, len14);
                    let l15 = *base
                        .add(2 * ::core::mem::size_of::<*const u8>())
                        .cast::<*mut u8>();
                    let l16 = *base
                        .add(3 * ::core::mem::size_of::<*const u8>())
                        .cast::<usize>();
                    let len17 = l16;
                    let bytes17 = _rt::Vec::from_raw_parts(l15.cast(), len17, len17);
                    (_rt::string_lift(bytes14), _rt::string_lift(bytes17))
                };
                result18.push(e18);
            }
            _rt::cabi_dealloc(
                base18,
                len18 * (4 * ::core::mem::size_of::<*const u8>()),
                ::core::mem::size_of::<*const u8>(),
            );
            T_::on_schema(sluicegate::guest::types::TableSchema {
                id: arg0 as u32,
                source: _rt::string_lift(bytes0),
                namespace: _rt::string_lift(bytes1),
                table: _rt::string_lift(bytes2),
                columns: result11,
                extra: result18,
            })
        };
        let ptr20 = (&raw mut _RET_AREA.0).cast::<u8>();
        match result19 {
            Ok(_) => {
                *ptr20.add(0).cast::<u8>() = (0i32) as u8;
            }
            Err(e) => {
                *ptr20.add(0).cast::<u8>() = (1i32) as u8;
                let vec21 = (e.into_bytes()).into_boxed_slice();
                let ptr21 = vec21.as_ptr().cast::<u8>();
                let len21 = vec21.len();
                ::core::mem::forget(vec21);
                *ptr20.add(2 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len21;
                *ptr20.add(::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = ptr21
                    .cast_mut();
            }
        };
        ptr20
    }
}
#[doc(hidden)]
#[allow(non_snake_case)]
pub unsafe fn __post_return_on_schema<T_: Guest>(arg0: *mut u8) {
    unsafe {
        let l0 = i32::from(*arg0.add(0).cast::<u8>());
        match l0 {
            0 => {}
            _ => {
                let l1 = *arg0
                    .add(::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l2 = *arg0
                    .add(2 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                _rt::cabi_dealloc(l1, l2, 1);
            }
        }
    }
}
#[doc(hidden)]
#[allow(non_snake_case, unused_unsafe)]
pub unsafe fn _export_transform_cabi<T_: Guest>(arg0: *mut u8, arg1: usize) -> *mut u8 {
    unsafe {
        #[cfg(target_arch = "wasm32")] _rt::run_ctors_once();
        let result1 = {
            let len0 = arg1;
            T_::transform(
                <_ as From<
                    _rt::Vec<_>,
                >>::from(_rt::Vec::from_raw_parts(arg0.cast(), len0, len0)),
            )
        };
        let ptr2 = (&raw mut _RET_AREA.0).cast::<u8>();
        match result1 {
            Ok(e) => {
                *ptr2.add(0).cast::<u8>() = (0i32) as u8;
                let vec3 = <_ as Into<_rt::Vec<_>>>::into(e).into_boxed_slice();
                let ptr3 = vec3.as_ptr().cast::<u8>();
                let len3 = vec3.len();
                ::core::mem::forget(vec3);
                *ptr2.add(2 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len3;
                *ptr2.add(::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = ptr3
                    .cast_mut();
            }
            Err(e) => {
                *ptr2.add(0).cast::<u8>() = (1i32) as u8;
                let sluicegate::guest::types::Failure {
                    code: code4,
                    message: message4,
                } = e;
                let vec5 = (code4.into_bytes()).into_boxed_slice();
                let ptr5 = vec5.as_ptr().cast::<u8>();
                let len5 = vec5.len();
                ::core::mem::forget(vec5);
                *ptr2.add(2 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len5;
                *ptr2.add(::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = ptr5
                    .cast_mut();
                let vec6 = (message4.into_bytes()).into_boxed_slice();
                let ptr6 = vec6.as_ptr().cast::<u8>();
                let len6 = vec6.len();
                ::core::mem::forget(vec6);
                *ptr2.add(4 * ::core::mem::size_of::<*const u8>()).cast::<usize>() = len6;
                *ptr2.add(3 * ::core::mem::size_of::<*const u8>()).cast::<*mut u8>() = ptr6
                    .cast_mut();
            }
        };
        ptr2
    }
}
#[doc(hidden)]
#[allow(non_snake_case)]
pub unsafe fn __post_return_transform<T_: Guest>(arg0: *mut u8) {
    unsafe {
        let l0 = i32::from(*arg0.add(0).cast::<u8>());
        match l0 {
            0 => {
                let l1 = *arg0
                    .add(::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l2 = *arg0
                    .add(2 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                let base3 = l1;
                let len3 = l2;
                _rt::cabi_dealloc(base3, len3 * 1, 1);
            }
            _ => {
                let l4 = *arg0
                    .add(::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l5 = *arg0
                    .add(2 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                _rt::cabi_dealloc(l4, l5, 1);
                let l6 = *arg0
                    .add(3 * ::core::mem::size_of::<*const u8>())
                    .cast::<*mut u8>();
                let l7 = *arg0
                    .add(4 * ::core::mem::size_of::<*const u8>())
                    .cast::<usize>();
                _rt::cabi_dealloc(l6, l7, 1);
            }
        }
    }
}
pub trait Guest {
    /// Who the guest is and what it wants. Called first, before `init`.
    #[allow(async_fn_in_trait)]
    fn describe() -> Manifest;
    /// The keys and values of `[guest.NAME] config` in the pipeline's TOML. An error keeps the guest from being used.
    #[allow(async_fn_in_trait)]
    fn init(config: _rt::Vec<Pair>) -> ::core::result::Result<(), _rt::String>;
    /// A table's columns as this guest gets them; once per version, before the first row of that version.
    #[allow(async_fn_in_trait)]
    fn on_schema(schema: TableSchema) -> ::core::result::Result<(), _rt::String>;
    /// A frame of rows in, the verdicts about them out; one verdict per row, in order.
    #[allow(async_fn_in_trait)]
    fn transform(frame: _rt::Vec<u8>) -> ::core::result::Result<_rt::Vec<u8>, Failure>;
}
#[doc(hidden)]
#[macro_export]
macro_rules! __export_world_transform_cabi {
    ($ty:ident with_types_in $($path_to_types:tt)*) => {
        const _ : () = { #[unsafe (export_name = "describe")] unsafe extern "C" fn
        export_describe() -> * mut u8 { unsafe { $($path_to_types)*::
        _export_describe_cabi::<$ty > () } } #[unsafe (export_name =
        "cabi_post_describe")] unsafe extern "C" fn _post_return_describe(arg0 : * mut
        u8,) { unsafe { $($path_to_types)*:: __post_return_describe::<$ty > (arg0) } }
        #[unsafe (export_name = "init")] unsafe extern "C" fn export_init(arg0 : * mut
        u8, arg1 : usize,) -> * mut u8 { unsafe { $($path_to_types)*::
        _export_init_cabi::<$ty > (arg0, arg1) } } #[unsafe (export_name =
        "cabi_post_init")] unsafe extern "C" fn _post_return_init(arg0 : * mut u8,) {
        unsafe { $($path_to_types)*:: __post_return_init::<$ty > (arg0) } } #[unsafe
        (export_name = "on-schema")] unsafe extern "C" fn export_on_schema(arg0 : i32,
        arg1 : * mut u8, arg2 : usize, arg3 : * mut u8, arg4 : usize, arg5 : * mut u8,
        arg6 : usize, arg7 : * mut u8, arg8 : usize, arg9 : * mut u8, arg10 : usize,) ->
        * mut u8 { unsafe { $($path_to_types)*:: _export_on_schema_cabi::<$ty > (arg0,
        arg1, arg2, arg3, arg4, arg5, arg6, arg7, arg8, arg9, arg10) } } #[unsafe
        (export_name = "cabi_post_on-schema")] unsafe extern "C" fn
        _post_return_on_schema(arg0 : * mut u8,) { unsafe { $($path_to_types)*::
        __post_return_on_schema::<$ty > (arg0) } } #[unsafe (export_name = "transform")]
        unsafe extern "C" fn export_transform(arg0 : * mut u8, arg1 : usize,) -> * mut u8
        { unsafe { $($path_to_types)*:: _export_transform_cabi::<$ty > (arg0, arg1) } }
        #[unsafe (export_name = "cabi_post_transform")] unsafe extern "C" fn
        _post_return_transform(arg0 : * mut u8,) { unsafe { $($path_to_types)*::
        __post_return_transform::<$ty > (arg0) } } };
    };
}
#[doc(hidden)]
pub use __export_world_transform_cabi;
#[cfg_attr(target_pointer_width = "64", repr(align(8)))]
#[cfg_attr(target_pointer_width = "32", repr(align(4)))]
struct _RetArea(
    [::core::mem::MaybeUninit<u8>; 12 * ::core::mem::size_of::<*const u8>()],
);
static mut _RET_AREA: _RetArea = _RetArea(
    [::core::mem::MaybeUninit::uninit(); 12 * ::core::mem::size_of::<*const u8>()],
);
#[allow(dead_code, clippy::all)]
pub mod sluicegate {
    pub mod guest {
        /// What a guest may ask of the host. There is nothing else: no files, no network, no clock, no environment.
        #[allow(dead_code, async_fn_in_trait, unused_imports, clippy::all)]
        pub mod host {
            #[used]
            #[doc(hidden)]
            static __FORCE_SECTION_REF: fn() = super::super::super::__link_custom_section_describing_imports;
            use super::super::super::_rt;
            #[repr(u8)]
            #[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
            pub enum Level {
                Error,
                Warn,
                Info,
                Debug,
            }
            impl ::core::fmt::Debug for Level {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    match self {
                        Level::Error => f.debug_tuple("Level::Error").finish(),
                        Level::Warn => f.debug_tuple("Level::Warn").finish(),
                        Level::Info => f.debug_tuple("Level::Info").finish(),
                        Level::Debug => f.debug_tuple("Level::Debug").finish(),
                    }
                }
            }
            impl Level {
                #[doc(hidden)]
                pub unsafe fn _lift(val: u8) -> Level {
                    if !cfg!(debug_assertions) {
                        return unsafe { ::core::mem::transmute(val) };
                    }
                    match val {
                        0 => Level::Error,
                        1 => Level::Warn,
                        2 => Level::Info,
                        3 => Level::Debug,
                        _ => panic!("invalid enum discriminant"),
                    }
                }
            }
            #[allow(unused_unsafe, clippy::all)]
            /// One line to the host's log. Lines are limited in length and rate; what is too much is counted and dropped.
            #[allow(async_fn_in_trait)]
            pub fn log(level: Level, text: &str) -> () {
                unsafe {
                    let vec0 = text;
                    let ptr0 = vec0.as_ptr().cast::<u8>();
                    let len0 = vec0.len();
                    #[cfg(target_arch = "wasm32")]
                    #[link(wasm_import_module = "sluicegate:guest/host@1.0.0")]
                    unsafe extern "C" {
                        #[link_name = "log"]
                        fn wit_import1(_: i32, _: *mut u8, _: usize);
                    }
                    #[cfg(not(target_arch = "wasm32"))]
                    unsafe extern "C" fn wit_import1(_: i32, _: *mut u8, _: usize) {
                        unreachable!()
                    }
                    wit_import1(level.clone() as i32, ptr0.cast_mut(), len0);
                }
            }
            #[allow(unused_unsafe, clippy::all)]
            /// Adds to a counter of this guest, shown in the host's metrics.
            #[allow(async_fn_in_trait)]
            pub fn counter(name: &str, n: u64) -> () {
                unsafe {
                    let vec0 = name;
                    let ptr0 = vec0.as_ptr().cast::<u8>();
                    let len0 = vec0.len();
                    #[cfg(target_arch = "wasm32")]
                    #[link(wasm_import_module = "sluicegate:guest/host@1.0.0")]
                    unsafe extern "C" {
                        #[link_name = "counter"]
                        fn wit_import1(_: *mut u8, _: usize, _: i64);
                    }
                    #[cfg(not(target_arch = "wasm32"))]
                    unsafe extern "C" fn wit_import1(_: *mut u8, _: usize, _: i64) {
                        unreachable!()
                    }
                    wit_import1(ptr0.cast_mut(), len0, _rt::as_i64(&n));
                }
            }
        }
        #[allow(dead_code, async_fn_in_trait, unused_imports, clippy::all)]
        pub mod types {
            #[used]
            #[doc(hidden)]
            static __FORCE_SECTION_REF: fn() = super::super::super::__link_custom_section_describing_imports;
            use super::super::super::_rt;
            /// One name and one text.
            pub type Pair = (_rt::String, _rt::String);
            /// What a guest wants to see. Rows that no subscription matches pass it by.
            #[derive(Clone)]
            pub struct Subscription {
                /// A glob over `schema.table`, such as `public.package_status` or `shop.*`.
                pub table: _rt::String,
                /// `insert`, `update`, `delete`, `truncate`, `read`; empty for all.
                pub operations: _rt::Vec<_rt::String>,
                /// The columns that cross the border, in this order; empty for all.
                pub columns: _rt::Vec<_rt::String>,
                /// Whether the old image crosses as well. After a delete it does in any case: it is the row.
                pub old: bool,
            }
            impl ::core::fmt::Debug for Subscription {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Subscription")
                        .field("table", &self.table)
                        .field("operations", &self.operations)
                        .field("columns", &self.columns)
                        .field("old", &self.old)
                        .finish()
                }
            }
            #[derive(Clone)]
            pub struct Manifest {
                pub name: _rt::String,
                pub version: _rt::String,
                /// The version of the frame that this guest was built with.
                pub frame: u16,
                pub subscriptions: _rt::Vec<Subscription>,
                /// The routes that it may name; a name that the pipeline does not have is refused when the guest is loaded.
                pub routes: _rt::Vec<_rt::String>,
                /// Whether results depend on earlier rows. Such a guest gets one row at a time, so that one can be blamed.
                pub stateful: bool,
                /// Room to grow without breaking built guests.
                pub extra: _rt::Vec<Pair>,
            }
            impl ::core::fmt::Debug for Manifest {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Manifest")
                        .field("name", &self.name)
                        .field("version", &self.version)
                        .field("frame", &self.frame)
                        .field("subscriptions", &self.subscriptions)
                        .field("routes", &self.routes)
                        .field("stateful", &self.stateful)
                        .field("extra", &self.extra)
                        .finish()
                }
            }
            #[derive(Clone)]
            pub struct Column {
                pub name: _rt::String,
                /// The database's name of the type, such as `timestamp with time zone`.
                pub type_name: _rt::String,
                /// The tag that values of this column carry, unless they are null, unchanged or absent.
                pub tag: u8,
                /// Whether it is part of the key.
                pub key: bool,
            }
            impl ::core::fmt::Debug for Column {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Column")
                        .field("name", &self.name)
                        .field("type-name", &self.type_name)
                        .field("tag", &self.tag)
                        .field("key", &self.key)
                        .finish()
                }
            }
            #[derive(Clone)]
            pub struct TableSchema {
                /// The number by which rows refer to this schema.
                pub id: u32,
                pub source: _rt::String,
                pub namespace: _rt::String,
                pub table: _rt::String,
                /// The columns that this guest gets, in the order of the cells.
                pub columns: _rt::Vec<Column>,
                pub extra: _rt::Vec<Pair>,
            }
            impl ::core::fmt::Debug for TableSchema {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("TableSchema")
                        .field("id", &self.id)
                        .field("source", &self.source)
                        .field("namespace", &self.namespace)
                        .field("table", &self.table)
                        .field("columns", &self.columns)
                        .field("extra", &self.extra)
                        .finish()
                }
            }
            /// Why a whole batch could not be judged.
            #[derive(Clone)]
            pub struct Failure {
                pub code: _rt::String,
                pub message: _rt::String,
            }
            impl ::core::fmt::Debug for Failure {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    f.debug_struct("Failure")
                        .field("code", &self.code)
                        .field("message", &self.message)
                        .finish()
                }
            }
            impl ::core::fmt::Display for Failure {
                fn fmt(
                    &self,
                    f: &mut ::core::fmt::Formatter<'_>,
                ) -> ::core::fmt::Result {
                    write!(f, "{:?}", self)
                }
            }
            impl ::core::error::Error for Failure {}
        }
    }
}
mod _rt {
    #![allow(dead_code, unused_imports, clippy::all)]
    pub fn as_i64<T: AsI64>(t: T) -> i64 {
        t.as_i64()
    }
    pub trait AsI64 {
        fn as_i64(self) -> i64;
    }
    impl<'a, T: Copy + AsI64> AsI64 for &'a T {
        fn as_i64(self) -> i64 {
            (*self).as_i64()
        }
    }
    impl AsI64 for i64 {
        #[inline]
        fn as_i64(self) -> i64 {
            self as i64
        }
    }
    impl AsI64 for u64 {
        #[inline]
        fn as_i64(self) -> i64 {
            self as i64
        }
    }
    pub use alloc_crate::string::String;
    pub use alloc_crate::vec::Vec;
    #[cfg(target_arch = "wasm32")]
    pub fn run_ctors_once() {
        wit_bindgen::rt::run_ctors_once();
    }
    pub fn as_i32<T: AsI32>(t: T) -> i32 {
        t.as_i32()
    }
    pub trait AsI32 {
        fn as_i32(self) -> i32;
    }
    impl<'a, T: Copy + AsI32> AsI32 for &'a T {
        fn as_i32(self) -> i32 {
            (*self).as_i32()
        }
    }
    impl AsI32 for i32 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for u32 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for i16 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for u16 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for i8 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for u8 {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for char {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    impl AsI32 for usize {
        #[inline]
        fn as_i32(self) -> i32 {
            self as i32
        }
    }
    pub use alloc_crate::alloc;
    pub unsafe fn cabi_dealloc(ptr: *mut u8, size: usize, align: usize) {
        if size == 0 {
            return;
        }
        unsafe {
            let layout = alloc::Layout::from_size_align_unchecked(size, align);
            alloc::dealloc(ptr, layout);
        }
    }
    pub unsafe fn string_lift(bytes: Vec<u8>) -> String {
        if cfg!(debug_assertions) {
            String::from_utf8(bytes).unwrap()
        } else {
            unsafe { String::from_utf8_unchecked(bytes) }
        }
    }
    pub unsafe fn bool_lift(val: u8) -> bool {
        if cfg!(debug_assertions) {
            match val {
                0 => false,
                1 => true,
                _ => panic!("invalid bool discriminant"),
            }
        } else {
            val != 0
        }
    }
    extern crate alloc as alloc_crate;
}
/// Generates `#[unsafe(no_mangle)]` functions to export the specified type as
/// the root implementation of all generated traits.
///
/// For more information see the documentation of `wit_bindgen::generate!`.
///
/// ```rust
/// # macro_rules! export_world{ ($($t:tt)*) => (); }
/// # trait Guest {}
/// struct MyType;
///
/// impl Guest for MyType {
///     // ...
/// }
///
/// export_world!(MyType);
/// ```
#[allow(unused_macros)]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_transform_impl {
    ($ty:ident) => {
        sluicegate_guest::bindings::export_world!($ty with_types_in
        sluicegate_guest::bindings);
    };
    ($ty:ident with_types_in $($path_to_types_root:tt)*) => {
        $($path_to_types_root)*:: __export_world_transform_cabi!($ty with_types_in
        $($path_to_types_root)*); const _ : () = { #[cfg(target_arch = "wasm32")]
        #[unsafe (link_section =
        "component-type:wit-bindgen:0.61.1:sluicegate:guest@1.0.0:transform:imports and exports")]
        #[doc(hidden)] #[allow(clippy::octal_escapes)] pub static
        __WIT_BINDGEN_COMPONENT_TYPE : [u8; 846] = *
        b"\
\0asm\x0d\0\x01\0\0\x19\x16wit-component-encoding\x04\0\x07\xce\x05\x01A\x02\x01\
A\x18\x01B\x06\x01m\x04\x05error\x04warn\x04info\x05debug\x04\0\x05level\x03\0\0\
\x01@\x02\x05level\x01\x04texts\x01\0\x04\0\x03log\x01\x02\x01@\x02\x04names\x01\
nw\x01\0\x04\0\x07counter\x01\x03\x03\0\x1bsluicegate:guest/host@1.0.0\x05\0\x01\
B\x10\x01o\x02ss\x04\0\x04pair\x03\0\0\x01ps\x01r\x04\x05tables\x0aoperations\x02\
\x07columns\x02\x03old\x7f\x04\0\x0csubscription\x03\0\x03\x01p\x04\x01p\x01\x01\
r\x07\x04names\x07versions\x05frame{\x0dsubscriptions\x05\x06routes\x02\x08state\
ful\x7f\x05extra\x06\x04\0\x08manifest\x03\0\x07\x01r\x04\x04names\x09type-names\
\x03tag}\x03key\x7f\x04\0\x06column\x03\0\x09\x01p\x0a\x01r\x06\x02idy\x06source\
s\x09namespaces\x05tables\x07columns\x0b\x05extra\x06\x04\0\x0ctable-schema\x03\0\
\x0c\x01r\x02\x04codes\x07messages\x04\0\x07failure\x03\0\x0e\x03\0\x1csluicegat\
e:guest/types@1.0.0\x05\x01\x02\x03\0\x01\x08manifest\x03\0\x08manifest\x03\0\x02\
\x02\x03\0\x01\x0ctable-schema\x03\0\x0ctable-schema\x03\0\x04\x02\x03\0\x01\x07\
failure\x03\0\x07failure\x03\0\x06\x02\x03\0\x01\x04pair\x03\0\x04pair\x03\0\x08\
\x01@\0\0\x03\x04\0\x08describe\x01\x0a\x01p\x09\x01j\0\x01s\x01@\x01\x06config\x0b\
\0\x0c\x04\0\x04init\x01\x0d\x01@\x01\x06schema\x05\0\x0c\x04\0\x09on-schema\x01\
\x0e\x01p}\x01j\x01\x0f\x01\x07\x01@\x01\x05frame\x0f\0\x10\x04\0\x09transform\x01\
\x11\x04\0\x20sluicegate:guest/transform@1.0.0\x04\0\x0b\x0f\x01\0\x09transform\x03\
\0\0\0G\x09producers\x01\x0cprocessed-by\x02\x0dwit-component\x070.258.3\x10wit-\
bindgen-rust\x060.61.1";
        };
    };
}
#[doc(inline)]
pub use __export_transform_impl as export_world;
#[cfg(target_arch = "wasm32")]
#[unsafe(
    link_section = "component-type:wit-bindgen:0.61.1:sluicegate:guest@1.0.0:transform-with-all-of-its-exports-removed:encoded world"
)]
#[doc(hidden)]
#[allow(clippy::octal_escapes)]
pub static __WIT_BINDGEN_COMPONENT_TYPE: [u8; 800] = *b"\
\0asm\x0d\0\x01\0\0\x19\x16wit-component-encoding\x04\0\x07\x80\x05\x01A\x02\x01\
A\x0c\x01B\x06\x01m\x04\x05error\x04warn\x04info\x05debug\x04\0\x05level\x03\0\0\
\x01@\x02\x05level\x01\x04texts\x01\0\x04\0\x03log\x01\x02\x01@\x02\x04names\x01\
nw\x01\0\x04\0\x07counter\x01\x03\x03\0\x1bsluicegate:guest/host@1.0.0\x05\0\x01\
B\x10\x01o\x02ss\x04\0\x04pair\x03\0\0\x01ps\x01r\x04\x05tables\x0aoperations\x02\
\x07columns\x02\x03old\x7f\x04\0\x0csubscription\x03\0\x03\x01p\x04\x01p\x01\x01\
r\x07\x04names\x07versions\x05frame{\x0dsubscriptions\x05\x06routes\x02\x08state\
ful\x7f\x05extra\x06\x04\0\x08manifest\x03\0\x07\x01r\x04\x04names\x09type-names\
\x03tag}\x03key\x7f\x04\0\x06column\x03\0\x09\x01p\x0a\x01r\x06\x02idy\x06source\
s\x09namespaces\x05tables\x07columns\x0b\x05extra\x06\x04\0\x0ctable-schema\x03\0\
\x0c\x01r\x02\x04codes\x07messages\x04\0\x07failure\x03\0\x0e\x03\0\x1csluicegat\
e:guest/types@1.0.0\x05\x01\x02\x03\0\x01\x08manifest\x03\0\x08manifest\x03\0\x02\
\x02\x03\0\x01\x0ctable-schema\x03\0\x0ctable-schema\x03\0\x04\x02\x03\0\x01\x07\
failure\x03\0\x07failure\x03\0\x06\x02\x03\0\x01\x04pair\x03\0\x04pair\x03\0\x08\
\x04\0@sluicegate:guest/transform-with-all-of-its-exports-removed@1.0.0\x04\0\x0b\
/\x01\0)transform-with-all-of-its-exports-removed\x03\0\0\0G\x09producers\x01\x0c\
processed-by\x02\x0dwit-component\x070.258.3\x10wit-bindgen-rust\x060.61.1";
#[inline(never)]
#[doc(hidden)]
pub fn __link_custom_section_describing_imports() {
    wit_bindgen::rt::maybe_link_cabi_realloc();
}
