mod demo;
mod output;
