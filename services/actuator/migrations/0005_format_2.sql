-- Documents are written in FORMAT 2 from here on, which no version before can read: those are to refuse this journal as a
-- whole, also when every resize in it has ended.

UPDATE fences SET epoch = epoch;
