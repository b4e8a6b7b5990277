//! The Python type of a guarded function. Classes of `PyO3` have no vectorcall, so this one is made by hand.

use pyo3::ffi::{self, PyObject};
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// A guarded function, as Python holds it.
#[repr(C)]
pub(super) struct Guarded {
    base: PyObject,
    through: ffi::vectorcallfunc,
    /// What `functools.update_wrapper` writes; null until then.
    attributes: *mut PyObject,
    weak_references: *mut PyObject,
    /// Owned; null only after the garbage collector has cleared a cycle, when nothing can call it any more.
    function: *mut PyObject,
    /// Owned, an instance of the class for which `through` was chosen; null only as above.
    policy: *mut PyObject,
}

impl Guarded {
    /// The function and the policy of `callable`.
    ///
    /// # Safety
    /// `callable` is a live instance of [`class`], and the thread is attached to the interpreter.
    pub(super) unsafe fn parts(callable: *mut PyObject) -> (*mut PyObject, *mut PyObject) {
        // SAFETY: every instance of the class was allocated with this layout.
        let guarded = unsafe { &*callable.cast::<Self>() };
        (guarded.function, guarded.policy)
    }
}

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The type, made once.
pub(crate) fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    CLASS
        .get_or_try_init(py, || make(py))
        .map(|class| class.bind(py))
}

pub(super) fn new<'py>(
    function: &Bound<'py, PyAny>,
    policy: &Bound<'py, PyAny>,
    through: ffi::vectorcallfunc,
) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    let class = class(py)?.as_type_ptr();
    // SAFETY: the class has the size of `Guarded`; the allocator zeroes it, counts the class, and tells the garbage
    // collector, which may traverse it at once: null fields are skipped.
    let object = unsafe {
        let object = ffi::PyType_GenericAlloc(class, 0);
        Bound::from_owned_ptr_or_err(py, object)?
    };
    let guarded = object.as_ptr().cast::<Guarded>();
    // SAFETY: nobody else knows the object yet; each field takes over one reference.
    unsafe {
        (*guarded).through = through;
        (*guarded).function = function.clone().into_ptr();
        (*guarded).policy = policy.clone().into_ptr();
    }
    Ok(object)
}

fn make(py: Python<'_>) -> PyResult<Py<PyType>> {
    let member = |name: &'static std::ffi::CStr, offset: usize| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset.cast_signed(),
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    // Python keeps pointers into these three for as long as it runs.
    let members = Box::leak(Box::new([
        member(c"__vectorcalloffset__", offset_of!(Guarded, through)),
        member(c"__dictoffset__", offset_of!(Guarded, attributes)),
        member(c"__weaklistoffset__", offset_of!(Guarded, weak_references)),
        // SAFETY: all zeroes end such a list.
        unsafe { std::mem::zeroed() },
    ]));
    let properties = Box::leak(Box::new([
        ffi::PyGetSetDef {
            name: c"__dict__".as_ptr(),
            get: Some(ffi::PyObject_GenericGetDict),
            set: Some(ffi::PyObject_GenericSetDict),
            doc: ptr::null(),
            closure: ptr::null_mut(),
        },
        // SAFETY: as above.
        unsafe { std::mem::zeroed() },
    ]));
    let slot = |slot: c_int, function: *mut c_void| ffi::PyType_Slot {
        slot,
        pfunc: function,
    };
    let mut slots = [
        slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void),
        slot(ffi::Py_tp_descr_get, bind as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, properties.as_mut_ptr().cast()),
        slot(0, ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"fuseboard._native.Guarded".as_ptr(),
        basicsize: const { size_of::<Guarded>() as u16 as c_int },
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT
            | ffi::Py_TPFLAGS_HAVE_GC
            | ffi::Py_TPFLAGS_HAVE_VECTORCALL
            // `object.method()` passes `object` first, without making a bound method.
            | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR
            | ffi::Py_TPFLAGS_IMMUTABLETYPE
            | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION) as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the slots have the signatures that they are declared for, and the offsets are those of `Guarded`.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))? };
    Ok(class.cast_into::<PyType>()?.unbind())
}

/// `guarded.__get__(object, class)`: a bound method, as of any function.
unsafe extern "C" fn bind(
    this: *mut PyObject,
    object: *mut PyObject,
    _class: *mut PyObject,
) -> *mut PyObject {
    static METHOD: PyOnceLock<Py<PyType>> = PyOnceLock::new();

    // SAFETY: a slot of Python's is called by an attached thread, with live objects; `object` is null or None for a
    // look-up in the class.
    let (py, this, object) = unsafe {
        let py = Python::assume_attached();
        let this = Bound::from_borrowed_ptr(py, this);
        (py, this, Bound::from_borrowed_ptr_or_opt(py, object))
    };
    contained(py, || {
        let Some(object) = object.filter(|object| !object.is_none()) else {
            return Ok(this);
        };
        METHOD
            .import(py, "types", "MethodType")?
            .call1((this, object))
    })
}

unsafe extern "C" fn repr(this: *mut PyObject) -> *mut PyObject {
    // SAFETY: as in `bind`; the object is alive, so it still has its function, or null, which `%R` prints.
    unsafe {
        let (function, policy) = Guarded::parts(this);
        ffi::PyUnicode_FromFormat(c"<%R guarded by %R>".as_ptr(), function, policy)
    }
}

unsafe extern "C" fn traverse(
    this: *mut PyObject,
    visit: ffi::visitproc,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the garbage collector passes a live object and a function to visit what it refers to, its class included.
    unsafe {
        let guarded = this.cast::<Guarded>();
        let class = ffi::Py_TYPE(this).cast::<PyObject>();
        for referent in [
            class,
            (*guarded).attributes,
            (*guarded).function,
            (*guarded).policy,
        ] {
            if !referent.is_null() {
                let stop = visit(referent, argument);
                if stop != 0 {
                    return stop;
                }
            }
        }
    }
    0
}

unsafe extern "C" fn clear(this: *mut PyObject) -> c_int {
    // SAFETY: `this` is alive or being deallocated. Each field is emptied before its reference is given up, which may
    // run any code.
    unsafe {
        let guarded = this.cast::<Guarded>();
        for field in [
            &raw mut (*guarded).attributes,
            &raw mut (*guarded).function,
            &raw mut (*guarded).policy,
        ] {
            ffi::Py_XDECREF(field.replace(ptr::null_mut()));
        }
    }
    0
}

unsafe extern "C" fn dealloc(this: *mut PyObject) {
    // SAFETY: the last reference is gone. The order is the one that Python asks for: the collector forgets the object,
    // weak references are cleared, then the fields, the memory, and the reference to the class that the allocator took.
    unsafe {
        let class = ffi::Py_TYPE(this).cast::<PyObject>();
        ffi::PyObject_GC_UnTrack(this.cast());
        if !(*this.cast::<Guarded>()).weak_references.is_null() {
            ffi::PyObject_ClearWeakRefs(this);
        }
        clear(this);
        ffi::PyObject_GC_Del(this.cast());
        ffi::Py_DECREF(class);
    }
}

/// Runs what may raise or panic, and answers as Python's slots do: null, with the exception set.
pub(super) fn contained<'py>(
    py: Python<'py>,
    operation: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) -> *mut PyObject {
    // Unwinding through Python's frames is undefined; what was interrupted is only read afterwards.
    let outcome = catch_unwind(AssertUnwindSafe(operation))
        .unwrap_or_else(|_| Err(PanicException::new_err("a panic in fuseboard")));
    match outcome {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}
