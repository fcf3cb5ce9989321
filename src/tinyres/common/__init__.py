"""What every training uses: arrays, curves and model folders on disk, hashes, errors. Any edit retrains everything."""
