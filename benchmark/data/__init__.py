"""Rows of any table -> encoded ids on disk (memory-mapped) -> batches on the device.

download    a file of the Hugging Face hub, once
packages    files of a package of npm or PyPI, fetched once by its package manager
files       plain, compressed, or inside a zip archive
layout      where the rows of a user's table lie: a file, a folder, a pattern
tables      a table, of one file or of many, checked as it is read, as a Polars LazyFrame of text
delimited, json_lines, sparse, typed    the forms that files have; spans: libsvm's indices; times: texts that say when
frame       a data frame in memory, as such a table
look, spelling, forms, suspicions       what in it a person would want to know of: a note each, nothing is refused
published   data sets whose split is published: what their plug-ins share; transforms: what published preprocessing makes of a cell
division    which rows of one file are for training, validation and test
vocabulary  what a field's training values become: local ids
encode      a plug-in's Source -> a folder of arrays, built aside and renamed; codes, staged: what it holds while rows pass
prepare     a data set's name -> that folder, once
ensure      the same for those who only train: prepared already, or made on the spot
store       opening the folder: no row is copied, and Polars is not imported; integrity: whether it holds what was written
pairs       which rows have a pair of values that no training row has
batches     rows on a device, in order or shuffled
streamed    a training part that is drawn while a model trains
prefetch    work ahead of the one who takes the results, in threads
"""
