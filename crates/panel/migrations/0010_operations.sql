-- Lists of operations are read in order, and counted without reading the operations, each of which is some kilobytes with its steps. As in 0001.

CREATE INDEX operation_listed ON operation (owner, id);
CREATE INDEX operation_outcome ON operation (owner, outcome, id);
