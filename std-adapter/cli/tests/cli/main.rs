//! The program as people and scripts use it: real boards, real other processes, a real terminal.
#![cfg(target_os = "linux")]

mod agent;
mod commands;
mod completions;
mod demo;
mod doctor;
mod terminal;
mod top;
mod traffic;
