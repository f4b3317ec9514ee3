"""DICOM in and out; the only package that imports pydicom.

``scan`` turns folders and files into series without touching a pixel, ``read`` turns a series into
a ``Volume`` that shows its first slice at once, ``write`` makes new series of volumes.

``headers`` reads one file up to its pixels, ``series`` groups and orders what was found, and
``codecs`` turns the bytes of one image into stored values.
"""
