//! The program as operators meet it: its arguments and ends, what it says of itself, its books.

mod books;
mod program;
mod three;
mod traces;
