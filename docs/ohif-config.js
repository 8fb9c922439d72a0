/* OHIF in front of an archive with DICOMweb on the same origin under /dicom-web.
 * Served as /app-config.js. Everything but the last entry is an ordinary configuration. */
window.config = {
  routerBasename: '/',
  extensions: [],
  modes: [],
  showStudyList: true,
  maxNumberOfWebWorkers: 1,
  investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'dicomweb',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'dicomweb',
      configuration: {
        friendlyName: 'Archive',
        name: 'archive',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        wadoUriRoot: '/dicom-web',
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        qidoSupportsIncludeField: false,
        supportsReject: false,
        enableStudyLazyLoad: true,
        supportsWildcard: true,
        omitQuotationForMultipartRequest: true,
        singlepart: 'bulkdata',
        bulkDataURI: { enabled: true },
      },
    },
  ],
  /* Writes the finding's name (its Tracking Identifier) beside the box, in place of its site. */
  customizationService: [
    {
      onBeforeSRAddMeasurement: {
        $set: ({ measurement }) => {
          /* The viewer goes on with this very object: change it, do not copy it. */
          if (!measurement.coords?.length) {
            measurement.coords = [{}];
          } else {
            /* It comes by more than once when the viewer loads the report again. */
            const name = measurement.TrackingIdentifier;
            const given = ['363698007', name];
            const others = measurement.labels.filter(({ label }) => !given.includes(label));
            measurement.labels = [{ label: name, value: '' }, ...others];
          }
          return measurement;
        },
      },
    },
  ],
};
