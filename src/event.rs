//! What happened: the one stream of events that every report is made from.
