"""Many studies, one after the other or in parallel. See `isojoule.apps.studies.pool`."""

from isojoule.apps.studies.limit import TimeUpError, time_limit
from isojoule.apps.studies.pool import Study, run_studies, seed_of

__all__ = ["Study", "TimeUpError", "run_studies", "seed_of", "time_limit"]
